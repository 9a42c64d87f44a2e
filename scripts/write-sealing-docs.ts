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
  state: "State that does harm on a worker",
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
  return group === "must contain" ? "nothing" : "nothing: what is found ends the bake";
}

function code(patterns: readonly string[]): string {
  return patterns.map((pattern) => `\`${pattern}\``).join(", ");
}

const opening = `\
<!-- Written by \`npm run docs\` from provision/seal/checklist.ts: change it there. -->

# Sealing

The last command on a builder makes it an image: it stops what would write again, removes what this page lists, names
the image (\`IMAGE_ID\` and \`IMAGE_VERSION\` in os-release, \`/etc/ci-images.json\`), and asserts the list. Then nobody can
log in any more, and the machine is powered off and never booted again. On \`local\` the same assertions run once more, read-only, on
the root file system of the stopped builder, before the disk is made. One line that does not hold ends the bake; the message
is \`not ok - ID: what was found (why)\`.

## The rules

1. **What the base had and what the bake's own machinery left is ours to remove. What a module made stays**, unless it is an identity, a
   credential or a log. A record of all files is taken before the first module (\`/var/lib/ci-images/record\`, which sealing removes); a file
   that is not in it, or not so, is a module's. The tables say "unless a module made it" where that decides.
2. **Credentials are told by their content**, not by a file's name: a key, a token, a password that stands there itself. Settings
   without one stay (\`config.json\` with \`credHelpers\`, \`settings.xml\` with \`\${env.PASSWORD}\`). A file that holds one goes as a whole.
3. **Dumps are told by their format**: a folder or a text called \`core\` stays.
4. **What a recipe names stays**: what \`files\`, \`known_hosts\`, \`root_key\` and \`ssh_keys\` of \`add_user\` put there, wherever it is. They note it in the
   image: \`${keptPathsFile}\` and \`${keptKeysFile}\`. The keys of the bake itself never stay. What else modules made
   where sealing would have removed it is in \`${madePathsFile}\`.
5. **Nothing goes unsaid.** Everything removed, changed or kept by rule 1 below homes, \`/etc\` and \`/var/lib\` is in the bake's log
   (\`removed PATH (ID)\`), in the image (\`${sealingReportFile}\`) and, on \`local\`, in \`manifest.json\` under \`sealing\`. The list of all files before
   is compared with that after: where something is gone that no line names, the bake fails (\`unnamed-removals\`).
6. **Nothing writes afterwards.** Timers, paths, sockets and services are stopped, and whatever would start them again (a socket, D-Bus, another
   unit) finds their condition unmet. Processes that outlive their service, or that a module left in the background, are ended. Where one runs on
   after all, the bake fails (\`quiet\`). On \`local\` the list is asserted on the stopped builder's disk. On the clouds, where nobody can read that, the
   builder looks once more itself when its services have been stopped: it removes what they wrote, asserts the list, and leaves the outcome in
   \`${lastLookFile}\`, where the machine booted from the image looks. That machine also sees that no log is older than its boot.
7. **Obstacles are cleared and said**: files that are immutable or only grow lose that for the time of sealing and have it in the image; what
   modules have mounted is unmounted.

The module that loses what it needs is found by its own check: the machine booted from the image runs all tests again.
`;

const keys = `\
## Keys that are made on first boot

What \`service-keys\` removes is made by \`ci-images-keys.service\` on the machine, before any service starts, with the mode and owner it had;
\`${keyListFile}\` lists it. To give all workers the same key (of munge, say), put it there with \`files\`.

SSH host keys are cloud-init's to make. Where it does not run (no data source of \`datasource_list\` is there, or it is turned off),
\`ci-images-host-keys.service\` makes them, and prints them on the console. A machine that is verified on \`local\` offers NoCloud and a config drive; an
image whose \`datasource_list\` has neither can't be logged in to there, which the bake tells from the console.
`;

const searching = `\
## How a secret is looked for

\`secret-values\` goes through every file of the image, whatever it holds: texts, databases, programs, the package manager's own files. For
each of the stack's secrets that the bake used it looks for

- the value as it is; as it stands in URLs (percent signs) and in JSON; and in base64 (both alphabets), whatever stands before and after
  it there: \`Authorization: Basic ...\` is found. A value of 32 bytes or more is found in base64 that is wrapped, too;
- of a value with several lines, every part that looks like a key or a token (32 letters and digits or more), so a private key is found
  by each of its lines; where no part does, every line. Certificates and public keys in it are not looked for, nor what all private keys
  of a kind begin with: other files have them, too;
- all that also inside of files that gzip, xz, bzip2 or zstd made, where the image has these programs.

Logs, the journal, histories, caches, temporary folders and crash dumps need no search: they are emptied before. A file that may hold a
secret is one that the recipe names as such (\`keep_secret\` of \`files\`, \`root_key\`), and only that file.

It does **not** find

- values, or lines of values, with fewer than ${shortestSearched} letters: the output of sealing names such secrets;
- a value that is cut into pieces: wrapped over lines (base64 aside), or over pages of a database;
- a value in other forms: encrypted, hashed, in hexadecimal, in UTF-16, with other marks of escape than JSON's and the URL's;
- what is inside of zip archives (\`.jar\` and \`.whl\` are such), of tar archives in several layers of packing, of initial ramdisks, and of
  disk images and layers of containers that are packed;
- secrets that the stack does not know: what a module fetched or made by itself.

What the checklist removes (keys, credentials, environment files with tokens) does not depend on the search.
`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("sealing", sealingDocs());
