// `distributions`: lists the supported distributions.
import { distributions as all } from "../../provision/distributions.ts";
import type { Verb } from "../verb.ts";

export const distributions: Verb = {
  name: "distributions",
  summary: "lists the Linux distributions, each with its login account",
  examples: ["distributions"],
  async run({ output }) {
    const width = Math.max(...all.map(({ id }) => id.length));
    for (const { id, family, packageManager, packageCommand, loginUser, codename } of all) {
      const alias = codename === undefined ? "" : ` (${codename})`;
      output.result(
        `${id.padEnd(width)}  ${family}, ${packageCommand ?? packageManager}, logs in as ${loginUser}${alias}`,
      );
    }
  },
};
