// `help`: prints the list of verbs, or the details of one.
import { readFileSync } from "node:fs";
import { nearest } from "../../common/nearest.ts";
import { helpOf, helpOfAll } from "../help.ts";
import { isNamed, UsageError, type Verb } from "../verb.ts";

/** @param list All verbs, including this one. */
export const helpVerb = (list: () => readonly Verb[]): Verb => ({
  name: "help",
  summary: "shows this list, or the details of one verb",
  operands: [{ name: "[verb]", what: "the verb" }],
  takesAllWords: true,
  options: [{ flags: "--version", what: "only the version" }],
  examples: ["help", "help build"],
  async run({ operands: [name], options, output }) {
    if (options.version) {
      const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
      return output.result((JSON.parse(text) as { version: string }).version);
    }
    const verbs = list();
    if (name === undefined) return output.result(helpOfAll(verbs).trimEnd());
    const verb = verbs.find((each) => isNamed(each, name));
    if (verb) return output.result(helpOf(verb).trimEnd());
    const near = nearest(
      name,
      verbs.map((each) => each.name),
    );
    throw new UsageError(`${name}: no such verb${near ? `; did you mean ${near}?` : ""}`);
  },
});
