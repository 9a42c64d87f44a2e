// `npm run docs`: writes docs/sealing.md from the checklist.
import { pathToFileURL } from "node:url";
import { checklist, type ChecklistEntry, type ChecklistGroup } from "../provision/seal/checklist.ts";
import {
  keptKeysFile,
  keptPathsFile,
  keyListFile,
  lastLookFile,
  madePathsFile,
  sealingReportFile,
} from "../provision/seal/kept.ts";
import { shortestSearched } from "../provision/seal/secret-patterns.ts";
import { formatMarkdown, writeDocument } from "./write-document.ts";

const groups: Record<ChecklistGroup, string> = {
  identity: "Identity: what only one machine may have",
  access: "Access: who may log in",
  secrets: "Secrets",
  traces: "Traces of the bake",
  state: "State that would harm a worker",
  "must contain": "What must be there",
};

/** The whole text of docs/sealing.md. */
export function sealingDocs(): Promise<string> {
  const sections = Object.entries(groups).map(([group, title]) => {
    const entries = checklist.filter((entry) => entry.group === group);
    const table = ["| id | why | what goes | source |", "| --- | --- | --- | --- |", ...entries.map(row)];
    return [`## ${title}`, "", ...table, ""].join("\n");
  });
  return formatMarkdown([opening, ...sections, keys, searching].join("\n"));
}

function row(entry: ChecklistEntry): string {
  const { id, reason, source } = entry;
  const text = (cell: string): string => cell.replaceAll("*", "\\*");
  const plain = [text(reason), removalOf(entry), text(source)].map((cell) => cell.replaceAll("|", "\\|"));
  return `| \`${id}\` | ${plain.join(" | ")} |`;
}

/** What an entry removes, in words. */
function removalOf({ paths, leftovers, credentials, also, group }: ChecklistEntry): string {
  const parts = [
    ...(paths ? [code(paths)] : []),
    ...(leftovers ? [`unless a module made it: ${code(leftovers)}`] : []),
    ...(credentials ? [`with a credential in it: ${code(credentials)}`] : []),
    ...(also ? [also] : []),
  ];
  if (parts.length > 0) return parts.join("; ");
  return group === "must contain" ? "nothing" : "nothing: a finding ends the bake";
}

function code(patterns: readonly string[]): string {
  return patterns.map((pattern) => `\`${pattern}\``).join(", ");
}

const opening = `\
<!-- Written by \`npm run docs\` from provision/seal/checklist.ts: change it there. -->

# Sealing

The last command on a builder turns it into an image. It stops everything that could still write, removes what this page lists, names
the image (\`IMAGE_ID\` and \`IMAGE_VERSION\` in os-release, \`/etc/ci-images.json\`), and checks the list. After that nobody can
log in, and the machine is powered off and never booted again. On \`local\` the same checks run once more, read-only, on
the root file system of the stopped builder, before the disk is made. One failed check ends the bake, with the message
\`not ok - ID: what was found (why)\`.

## The rules

1. **Sealing removes what the base had and what the bake's own machinery left. What a module made stays**, unless it is an identity, a
   credential or a log. All files are recorded before the first module (\`/var/lib/ci-images/record\`, which sealing removes); a file
   that is new or changed since then belongs to a module. The tables say "unless a module made it" where this matters.
2. **Credentials are recognised by their content**, not by a file's name: a key, a token, a literal password. Settings
   without one stay (\`config.json\` with \`credHelpers\`, \`settings.xml\` with \`\${env.PASSWORD}\`). A file that holds one is removed as a whole.
3. **Dumps are recognised by their format**: a folder or a text file called \`core\` stays.
4. **What a recipe names stays**: whatever \`files\`, \`known_hosts\`, \`root_key\` and \`ssh_keys\` of \`add_user\` put there, wherever it is. These
   modules list it in the image: \`${keptPathsFile}\` and \`${keptKeysFile}\`. The bake's own keys never stay. Other files of modules that sealing
   would otherwise have removed are listed in \`${madePathsFile}\`.
5. **Every removal is reported.** Everything removed, changed or kept by rule 1 below homes, \`/etc\` and \`/var/lib\` is in the bake's log
   (\`removed PATH (ID)\`), in the image (\`${sealingReportFile}\`) and, on \`local\`, in \`manifest.json\` under \`sealing\`. The lists of all files
   before and after are compared: if a file is gone that no line names, the bake fails (\`unnamed-removals\`).
6. **Nothing writes afterwards.** Timers, paths, sockets and services are stopped, and an unmet condition prevents a socket, D-Bus or another
   unit from starting them again. Processes that outlive their service, or that a module left in the background, are ended. If one keeps
   running, the bake fails (\`quiet\`). On \`local\` the list is checked on the stopped builder's disk. On the clouds that disk can't be read, so the
   builder checks itself once more after its services have been stopped: it removes what they wrote, checks the list, and leaves the result in
   \`${lastLookFile}\`, which the trial machine reads. The trial machine also checks that no log is older than its boot.
7. **Obstacles are cleared and reported**: immutable and append-only files lose that flag during sealing and get it back in the image;
   file systems that modules have mounted are unmounted.

If sealing removes something that a module needs, that module's own check finds it: the trial machine runs all tests again.
`;

const keys = `\
## Keys that are made on first boot

\`ci-images-keys.service\` makes the keys that \`service-keys\` removes, with the same mode and owner, before any service starts;
\`${keyListFile}\` lists them. To give all workers the same key (for munge, say), put it there with \`files\`.

SSH host keys are normally made by cloud-init. If it does not run (because no data source of \`datasource_list\` is present, or it is turned off),
\`ci-images-host-keys.service\` makes them and prints them on the console. Verification on \`local\` offers NoCloud and a config drive; an
image whose \`datasource_list\` has neither can't be logged in to there, and the bake recognises that from the console.
`;

const searching = `\
## How a secret is looked for

\`secret-values\` searches every file of the image, whatever it holds: texts, databases, programs, the package manager's own files. For
each of the stack's secrets that the bake used it looks for

- the value itself; the value as encoded in URLs (percent signs) and in JSON; and the value in base64 (both alphabets), whatever precedes and
  follows it: \`Authorization: Basic ...\` is found. A value of 32 bytes or more is also found in base64 with line breaks;
- in a value with several lines, every part that looks like a key or a token (32 letters and digits or more), so a private key is found
  by any of its lines; if no part does, every line. Certificates and public keys in it are not looked for, nor is the common start of
  private keys, because other files have them, too;
- all of these also inside files compressed by gzip, xz, bzip2 or zstd, if the image has these programs.

Logs, the journal, histories, caches, temporary folders and crash dumps need no search: they are emptied before. A file may hold a
secret only if the recipe names it (\`keep_secret\` of \`files\`, \`root_key\`).

It does **not** find

- values, or lines of values, with fewer than ${shortestSearched} letters: the output of sealing names such secrets;
- a value that is split: by line breaks (except in base64), or across pages of a database;
- a value in other forms: encrypted, hashed, in hexadecimal, in UTF-16, or with escapes other than those of JSON and URLs;
- contents of zip archives (\`.jar\` and \`.whl\` are such), of tar archives compressed more than once, of initial ramdisks, and of
  compressed disk images and container layers;
- secrets that the stack doesn't know: those that a module downloaded or generated.

What the checklist removes (keys, credentials, environment files with tokens) does not depend on the search.
`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("sealing", sealingDocs());
