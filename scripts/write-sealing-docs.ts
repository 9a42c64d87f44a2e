// `npm run docs`: writes docs/sealing.md from the checklist.
import { pathToFileURL } from "node:url";
import { checklist, type ChecklistEntry, type ChecklistGroup } from "../provision/seal/checklist.ts";
import {
  keptKeysFile,
  keptLinesFile,
  keptPathsFile,
  keyListFile,
  lastLookFile,
  madePathsFile,
  sealingReportFile,
} from "../provision/seal/kept.ts";
import { shortestSearched } from "../provision/seal/secret-patterns.ts";
import { formatMarkdown, writeDocument } from "./write-document.ts";

const groups: Record<ChecklistGroup, string> = {
  identity: "Identity: what must be unique to each machine",
  access: "Access: who can log in",
  secrets: "Secrets",
  traces: "Traces of the bake",
  state: "State that would harm a worker",
  "must contain": "What the image must contain",
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

/** Describes what an entry removes. */
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

Sealing is the last command on a builder and turns it into an image. It stops everything that could still write, removes
what this page lists, writes the image's name into it (\`IMAGE_ID\` and \`IMAGE_VERSION\` in os-release, \`/etc/ci-images.json\`),
and checks that the list is fulfilled. Afterwards nobody can log in, and the machine is powered off and never booted again.
On \`local\` the checks run once more, read-only, on the root file system of the stopped builder, before the disk is made. If
a check fails, the bake ends with the message \`not ok - ID: what was found (why)\`.

## The rules

1. **Files of the base image and of the bake itself are removed. Files that modules made stay**, unless they are an
   identity, a credential or a log, or are in one of the places below. All files are recorded before the first module runs
   (\`/var/lib/ci-images/record\`, which sealing removes), and a file that is new or changed since then belongs to a module.
   The tables say "unless a module made it" where this matters.

   These places are emptied **whoever filled them**, because what is there only serves the machine that wrote it: \`/tmp\`
   and \`/var/tmp\`; caches, lists and histories of package managers; spools of mail and of \`at\` (crontabs stay); backups
   that editors and package managers leave in \`/etc\` and in homes, and those of the account files; histories of shells and
   other tools; login records; crash dumps where the system puts them, and the hibernation image; Samba's databases (\`*.tdb\` and \`*.ldb\` in
   \`/var/lib/samba\`). If a worker needs such a file, keep it elsewhere (\`/opt\`, \`/srv\`, a folder of your own in
   \`/var/lib\`) and let the tool look there, or copy it to its place when the worker boots. Rule 4 holds here, too.
2. **Credentials are recognised by content**, not by file names: a key, a token or a literal password. A file that holds
   one is removed as a whole. Settings without one stay (\`config.json\` with \`credHelpers\`, \`settings.xml\` with
   \`\${env.PASSWORD}\`). Symbolic links are followed: if \`~/.aws\` is a link to \`/data/aws\`, the files with a credential
   below \`/data/aws\` go, and the link stays. The same holds for private keys, \`authorized_keys\` and lines of environment
   files. Not followed are links that lead out of the image (to a file system that is not the image's), to programs,
   to a folder that the link itself is in, and to the system's own folders (\`/\`, \`/etc\`, \`/opt\`, \`/var\` as a whole; any
   folder in \`/usr\`).
   Everything else goes by its place: of a link, the link goes, and what it leads to stays.
3. **Dumps are recognised by format**: a folder or a text file called \`core\` stays.
4. **Files that a recipe names stay**, wherever they are: those of \`files\`, \`known_hosts\`, \`root_key\` and of \`ssh_keys\` in
   \`add_user\`; and the variables of \`environment\`. These modules list them in the image, in \`${keptPathsFile}\`,
   \`${keptKeysFile}\` and \`${keptLinesFile}\`. The bake's own keys never
   stay. Other files of modules that stay because of rule 1 are listed in \`${madePathsFile}\`.
5. **Every removal is reported.** Everything that is removed or changed, and everything in homes, \`/etc\` and \`/var/lib\` that
   is kept by rule 1, is in the bake's log (\`removed PATH (ID)\`), in the image (\`${sealingReportFile}\`) and, on \`local\`, in
   \`manifest.json\` under \`sealing\`. Sealing compares the lists of all files before and after: if a file is gone without a
   report, the bake fails (\`unnamed-removals\`).
6. **Nothing writes afterwards.** Timers, paths, sockets and services are stopped, and an unmet condition prevents a socket,
   D-Bus or another unit from starting them again. Processes that outlive their service, or that a module left in the
   background, are ended. If one keeps running, the bake fails (\`quiet\`). On \`local\` the list is checked on the disk of the
   stopped builder. On the clouds that disk can't be read, so the builder checks itself once more when its services have
   stopped: it removes what they wrote, checks the list, and leaves the result in \`${lastLookFile}\`, which the trial machine
   reads. The trial machine also checks that no log is older than its boot. Without systemd (Ubuntu 14.04) processes are ended
   as well, but nobody looks when the builder stops.
7. **Obstacles are cleared and reported**: immutable and append-only files lose that flag during sealing and get it back
   afterwards; file systems that modules have mounted are unmounted.

If sealing removes something that a module needs, the checks of that module find it, because the trial machine runs all
tests again.
`;

const keys = `\
## Keys that are made on first boot

\`ci-images-keys.service\` makes the keys that \`service-keys\` removes, with the same mode and owner, before any service
starts. They are listed in \`${keyListFile}\`. To give all workers the same key, for munge for example, add it with \`files\`.

SSH host keys are normally made by cloud-init. If cloud-init does not run, because it is turned off or finds no data source
of \`datasource_list\`, \`ci-images-host-keys.service\` makes them and prints them on the console. The distribution's own
unit is no substitute: Debian 13's (\`sshd-keygen.service\`) only runs on a first boot as systemd understands it, which the
empty \`machine-id\` of an image is not, and Red Hat's (\`sshd-keygen@.service\`) does nothing where cloud-init is turned on.
Where one of them has made keys, ours does nothing. Without systemd (Ubuntu 14.04) only cloud-init makes keys. Verification on \`local\`
offers the data sources NoCloud and a config drive. If an image's \`datasource_list\` has neither, the trial machine accepts
no login, and the bake recognises that from the console.
`;

const searching = `\
## How secrets are searched for

\`secret-values\` searches every file of the image: texts, databases, programs, the package manager's own files. For each of
the stack's secrets that the bake used, it looks for

- the value itself; the value as encoded in URLs (percent signs) and in JSON; and the value in base64 (both alphabets),
  also as a part of a longer text: \`Authorization: Basic ...\` is found. A value of 32 bytes or more is also found in base64
  with line breaks;
- if the value has several lines, every part that looks like a key or a token (32 letters and digits or more), so a private
  key is found by any of its lines. If no part does, every line. Certificates, public keys and the common start of private
  keys are not searched for, because other files have them, too;
- all of these also inside files compressed with gzip, xz, bzip2 or zstd, if the image has these programs.

Logs, the journal, histories, caches, temporary folders and crash dumps are emptied before, so they need no search. A file
may hold a secret only if the recipe names it (\`keep_secret\` of \`files\`, \`root_key\`).

It does **not** find

- values, or lines of values, with fewer than ${shortestSearched} letters: the output of sealing names such secrets;
- values that are split by line breaks (except in base64) or across pages of a database;
- values in other forms: encrypted, hashed, in hexadecimal, in UTF-16, or with escapes other than those of JSON and URLs;
- values in zip archives (also \`.jar\` and \`.whl\`), in tar archives that are compressed more than once, in initial ramdisks,
  and in compressed disk images and container layers;
- secrets that the stack doesn't know, such as those that a module downloaded or generated.

What the checklist removes (keys, credentials, environment files with tokens) is removed independently of this search.
`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("sealing", sealingDocs());
