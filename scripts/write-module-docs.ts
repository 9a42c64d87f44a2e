// `npm run docs`: writes docs/modules.md from the module files: each module's first comment, description, settings with
// defaults and examples, and what it refuses.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { dump } from "js-yaml";
import {
  sentence,
  settingRows,
  typeOf,
  wholeExamples,
  type SettingRow,
} from "../provision/recipe/describe-settings.ts";
import { libraryFolder, ModuleCatalogue } from "../provision/recipe/load-modules.ts";
import type { ModuleFile } from "../provision/module.ts";
import { settingsKeyOf, type Schema } from "../provision/recipe/schema.ts";
import { formatMarkdown, writeDocument } from "./write-document.ts";

/** The whole text of docs/modules.md. */
export async function moduleDocs(): Promise<string> {
  const catalogue = new ModuleCatalogue([libraryFolder]);
  const modules = await Promise.all(
    catalogue.names.map(async (name) => ({
      name,
      file: await catalogue.load(name),
      source: readFileSync(catalogue.fileOf(name)!, "utf8"),
    })),
  );
  const rows = modules.map(({ name, file }) => `| [${name}](#${name}) | ${file.description} |`);
  const sections = modules.map(({ name, file, source }) => section(name, file, source));
  return formatMarkdown([opening, "| module | what it does |", "| --- | --- |", ...rows, "", ...sections].join("\n"));
}

const opening = `\
<!-- Written by \`npm run docs\` from provision/modules/*.ts: change it there. -->

# Modules

These modules come with ci-images, in provision/modules. A recipe lists them under \`modules:\` in the order in which they
run; \`install-rpms\` and \`install_rpms\` are the same module. A module's settings are in the recipe under the module's key.
Wrong settings are refused at preview. To write your own modules, see [recipes.md](recipes.md#modules-of-your-own).
`;

function section(name: string, file: ModuleFile, source: string): string {
  const key = settingsKeyOf({ name, file });
  const refusals = [...source.matchAll(/@throws UserError (.+?)(?:\*\/|\n \*\/|\n \* @)/gs)].map(([, text]) =>
    plain(text),
  );
  return [
    `## ${name}\n\n${firstComment(source)}\n`,
    file.settings ? settingsText(key, file) : "No settings.\n",
    ...(refusals.length > 0 ? [`Refused: ${refusals.join(" ")}\n`] : []),
  ].join("\n");
}

function settingsText(key: string, file: ModuleFile): string {
  const schema = file.settings as Schema;
  const need = file.settingsRequired ? "required" : "optional";
  const about = [`Settings under \`${key}\` (${need}): ${typeOf(schema)}.`, sentence(schema.description)];
  if (schema.default !== undefined) about.push(`Default: \`${JSON.stringify(schema.default)}\`.`);
  const rows = settingRows(schema, key).map(markdownRow);
  const head = ["| key | type | default | what |", "| --- | --- | --- | --- |"];
  const examples = wholeExamples(schema).map((example) => dump({ [key]: example }, { lineWidth: 100 }).trimEnd());
  const shown = examples.length > 0 ? ["```yaml", examples.join("\n# or\n"), "```", ""] : [];
  return [about.filter(Boolean).join(" "), "", ...(rows.length > 0 ? [...head, ...rows, ""] : []), ...shown].join("\n");
}

function markdownRow({ path, type, isRequired, byDefault, what, examples }: SettingRow): string {
  const shown = byDefault === undefined ? "" : `\`${JSON.stringify(byDefault)}\``;
  const example = examples.map((each) => `\`${JSON.stringify(each)}\``);
  const text = [what, ...(example.length > 0 ? [`E.g. ${example.join(", ")}`] : [])].join(" ");
  const cells = [`\`${path}\``, type, isRequired ? "required" : shown, text];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** A module file's first comment. */
function firstComment(source: string): string {
  const lines = source.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ""))
    .join("\n");
}

function plain(comment: string): string {
  const text = comment.replaceAll(/\s*\n \* ?/g, " ").trim();
  return text.endsWith(".") ? text : `${text}.`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await writeDocument("modules", moduleDocs());
