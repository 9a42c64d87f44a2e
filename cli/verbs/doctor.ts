// `doctor`: checks whether this computer and the cloud account are ready, and says how to fix what is not.
import { ToolProblem } from "../../toolchain/problem.mjs";
import { isNodeSupported, nodeRange } from "../../toolchain/versions.mjs";
import type { CommandStack } from "../stack.ts";
import { refuseChoice } from "../worker-choice.ts";
import type { Verb } from "../verb.ts";

/** The result of a check. */
interface Finding {
  what: string;
  /** Undefined if the check passed. */
  problem?: string;
}

export const doctor: Verb = {
  name: "doctor",
  summary: "checks whether this computer and the cloud account are ready, and says how to fix what is not",
  details: "The last check is a preview: it reads settings and recipe and asks the cloud, but changes nothing.",
  examples: ["doctor", "doctor --cloud ec2"],
  async run({ session, options, output }) {
    const findings: Finding[] = [];
    const check = async (what: string, look: () => Promise<string | undefined | void>) => {
      const problem = await look().catch((error: Error) => error.message);
      findings.push({ what, problem: problem ?? undefined });
      output.result(problem ? `not ok - ${what}: ${problem}` : `ok - ${what}`);
      return !problem;
    };
    await check(`Node ${process.versions.node}`, async () =>
      isNodeSupported(process.versions.node) ? undefined : `allowed: ${nodeRange}`,
    );
    await check("Pulumi CLI", async () => {
      const { toolchainEnvironment } = await import("../../toolchain/environment.mjs");
      try {
        const { cli, standIns } = toolchainEnvironment(session.projectDirectory);
        const parts = standIns.length > 0 ? `; this project's stand-ins for: ${standIns.join(", ")}` : "";
        output.note(`${cli}${parts}`);
      } catch (error) {
        if (error instanceof ToolProblem) return error.message;
        throw error;
      }
    });
    await check("an SSH client, for `./ci-images ssh`", async () => {
      const { execa } = await import("execa");
      const { failed } = await execa("ssh", ["-V"], { reject: false });
      return failed ? "not found; cure: apt install openssh-client" : undefined;
    });
    let stack: CommandStack | undefined;
    const isThere = await check("the stack", async () => {
      stack = await session.stack({ ...options, keepSettings: true });
      const state = await stack.state();
      refuseChoice("doctor", options.distribution, state);
      output.note(`${stack.name}, ${stack.settings.path}`);
      if (stack.settings.get("stage") === "none") output.note("its stage is none, so the recipe is not checked");
    });
    if (isThere) {
      await check("settings, recipe and cloud (a preview)", async () => {
        // The same stack: PULUMI_STACK may select another.
        await stack!.preview();
      });
    }
    return findings.some(({ problem }) => problem !== undefined) ? 1 : 0;
  },
};
