// `modules`: lists the modules that recipes can use.
import { resolve } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { sentence, settingRows, wholeExamples } from "../../provision/recipe/describe-settings.ts";
import { nearest } from "../../common/nearest.ts";
import { settingsKeyOf, type Schema } from "../../provision/recipe/schema.ts";
import type { Verb } from "../verb.ts";

export const modules: Verb = {
  name: "modules",
  summary: "lists the modules; with a name, shows its settings and examples",
  operands: [{ name: "[module]", what: "a module's name" }],
  options: [{ flags: "--folder <path>", what: "a folder of your own modules, in addition to the library" }],
  examples: ["modules", "modules java"],
  async run({ operands: [name], options, output }) {
    const [{ libraryFolder, moduleKey, ModuleCatalogue }, { dump }] = await Promise.all([
      import("../../provision/recipe/load-modules.ts"),
      import("js-yaml"),
    ]);
    const own = typeof options.folder === "string" ? [resolve(options.folder)] : [];
    const catalogue = new ModuleCatalogue([...own, libraryFolder]);
    if (name === undefined) {
      const width = Math.max(...catalogue.names.map((each) => each.length));
      for (const each of catalogue.names) {
        output.result(`${each.padEnd(width)}  ${(await catalogue.load(each)).description}`);
      }
      return;
    }
    if (catalogue.fileOf(name) === undefined) {
      const near = nearest(moduleKey(name), catalogue.names);
      throw new UserError({
        where: "modules",
        found: `no module ${name}`,
        allowed: catalogue.names.join(", "),
        cure: near && `did you mean ${near}?`,
      });
    }
    const file = await catalogue.load(name);
    const key = settingsKeyOf({ name: moduleKey(name), file });
    output.result(`${moduleKey(name)}: ${file.description}`);
    if (!file.settings) return output.result("\nIt has no settings.");
    const schema = file.settings as Schema;
    const what = sentence(schema.description);
    output.result(`\nSettings under \`${key}\`${file.settingsRequired ? " (required)" : ""}${what && `: ${what}`}`);
    for (const { path, type, isRequired, byDefault, what } of settingRows(schema, key)) {
      const shown = byDefault === undefined ? "" : ` (default ${JSON.stringify(byDefault)})`;
      output.result(`  ${path}: ${type}${isRequired ? ", required" : ""}${shown}\n      ${what}`);
    }
    for (const example of wholeExamples(schema)) {
      output.result(`\n${dump({ modules: [moduleKey(name)], [key]: example }).trimEnd()}`);
    }
  },
};
