// `help`: what there is.
import { readFileSync } from "node:fs";
import { nearest } from "../../provision/nearest.ts";
import { helpOf, helpOfAll } from "../help.ts";
import { UsageError, type Verb } from "../verb.ts";

export const help: Verb = {
  name: "help",
  summary: "this list, or all about one verb",
  operands: [{ name: "[verb]", what: "the verb" }],
  takesAllWords: true,
  options: [{ flags: "--version", what: "only the version" }],
  examples: ["help", "help build"],
  async run({ operands: [name], options, output }) {
    if (options.version) {
      const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
      return output.result((JSON.parse(text) as { version: string }).version);
    }
    // Here, as the list of verbs has this one in it.
    const { findVerb, verbs } = await import("../verbs.ts");
    if (name === undefined) return output.result(helpOfAll(verbs).trimEnd());
    const verb = findVerb(name);
    if (verb) return output.result(helpOf(verb).trimEnd());
    const near = nearest(
      name,
      verbs.map((each) => each.name),
    );
    throw new UsageError(`${name}: there is no such verb${near ? `; did you mean ${near}?` : ""}`);
  },
};
