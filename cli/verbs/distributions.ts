// `distributions`: what images can be made of.
import { distributions as all } from "../../provision/distributions.ts";
import type { Verb } from "../verb.ts";

export const distributions: Verb = {
  name: "distributions",
  summary: "the Linux distributions there are, with the account to log in with",
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
