// `npm run docs`: writes docs/sealing.md from the checklist itself.
import { pathToFileURL } from "node:url";
import { checklist, type ChecklistEntry, type ChecklistGroup } from "../provision/seal/checklist.ts";
import { keptKeysFile, keptPathsFile } from "../provision/seal/kept.ts";
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
  return formatMarkdown([opening, ...sections].join("\n"));
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

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("sealing", sealingDocs());
