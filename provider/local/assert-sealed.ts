// The sealing checklist, asserted on the stopped builder's root: what the power-off wrote is seen, too.
import { execa } from "execa";
import { UserError } from "../../common/user-error.ts";
import type { RootView } from "./machines.ts";
import type { Progress } from "./types.ts";

/**
 * Runs the assertion script on a root file system.
 * @param script Reads `ROOT`; prints `not ok - ...` for what is left and fails.
 * @throws UserError naming everything that was found.
 */
export async function assertSealed(
  view: RootView,
  script: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const [command, ...rest] = [...view.enter, "bash", "-euo", "pipefail", "-s"];
  const result = await execa(command, rest, {
    input: script,
    env: { ROOT: view.path },
    reject: false,
    cancelSignal: signal,
    all: true,
  });
  const lines = result.all.split("\n");
  if (result.exitCode === 0) {
    progress(
      `sealed: ${lines.filter((line) => line.startsWith("ok")).length} things that must not be in an image are not`,
    );
    return;
  }
  const left = lines.filter((line) => line.startsWith("not ok"));
  throw new UserError({
    where: "the sealed root file system",
    found: left.length > 0 ? left.join("; ") : `could not be checked (exit status ${result.exitCode}): ${result.all}`,
    cure: "remove it in a module of the recipe, or do not put it there; then run `pulumi up` again",
  });
}
