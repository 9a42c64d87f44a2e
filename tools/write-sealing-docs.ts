// `npm run docs`: writes docs/sealing.md from the checklist itself.
import { pathToFileURL } from "node:url";
import { checklist, type ChecklistEntry, type ChecklistGroup } from "../provision/seal/checklist.ts";
import { keptKeysFile, keptPathsFile } from "../provision/seal/kept.ts";
import { shortestSearched } from "../provision/secret-patterns.ts";
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
    return [`## ${title}`, "", "| id | why | source |", "| --- | --- | --- |", ...entries.map(row), ""].join("\n");
  });
  return formatMarkdown([opening, ...sections, searching].join("\n"));
}

function row({ id, reason, source }: ChecklistEntry): string {
  return `| ${[`\`${id}\``, reason, source].map((cell) => cell.replaceAll("|", "\\|").replaceAll("*", "\\*")).join(" | ")} |`;
}

const opening = `\
<!-- Written by \`npm run docs\` from provision/seal/checklist.ts: change it there. -->

# Sealing

The last command on a builder makes it an image: it stops what would write again, removes everything on this list, names
the image (\`IMAGE_ID\` and \`IMAGE_VERSION\` in os-release, \`/etc/ci-images.json\`), and asserts the list. Then nobody can
log in any more, and the machine is powered off and never booted again. On \`local\` the same assertions run once more, read-only, on
the root file system of the stopped builder, before the disk is made. One line that does not hold ends the bake; the message
is \`not ok - ID: what was found (why)\`.

What has to stay although it is on the list is noted in the image by the modules that put it there:
\`${keptPathsFile}\` (the modules \`files\` and \`known_hosts\` do it) and
\`${keptKeysFile}\` (\`ssh_keys\` of \`add_user\`). The keys of the bake itself never stay.
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

What the checklist removes by its place (keys, credentials, environment files with tokens) does not depend on the search.
`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("sealing", sealingDocs());
