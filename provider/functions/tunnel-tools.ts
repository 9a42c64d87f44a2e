// Checks that the command-line tools of a cloud's tunnel are installed, before anything is made.
import { execa } from "execa";
import { UserError } from "../../common/user-error.ts";
import type { InputsOf } from "../../common/contract.ts";
import { tunnelTools as contract } from "../../components/shared/contract.ts";
import { answer } from "../resource.ts";

interface Tool {
  program: string;
  /** Arguments that make it print its version. */
  words: string[];
  /** Its name for people. */
  name: string;
}

const aws: Tool = { program: "aws", words: ["--version"], name: "the AWS CLI, version 2.12 or newer" };

const tools: Record<InputsOf<typeof contract>["tunnel"], Tool[]> = {
  iap: [{ program: "gcloud", words: ["--version"], name: "the Google Cloud CLI" }],
  "instance-connect": [aws],
  "session-manager": [
    aws,
    {
      program: "session-manager-plugin",
      words: ["--version"],
      name: "the Session Manager plugin for the AWS CLI",
    },
  ],
};

export const tunnelTools = answer(contract, async ({ tunnel }, { signal }) => {
  for (const { program, words, name } of tools[tunnel]) {
    const { failed, message = "" } = await execa(program, words, { reject: false, cancelSignal: signal });
    signal.throwIfAborted();
    if (!failed) continue;
    throw new UserError({
      where: `the tunnel ${tunnel}`,
      found: `${program} does not run: ${message.split("\n")[0]}`,
      cure: `install ${name}, and log in with it`,
    });
  }
  return {};
});
