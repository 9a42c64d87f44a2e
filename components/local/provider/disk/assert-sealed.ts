// Checks the stopped builder's root against the sealing checklist, including what the power-off wrote.
import { execa } from "execa";
import { UserError } from "../../../../common/user-error.ts";
import { sealingReportFile } from "../../../../provision/seal/kept.ts";
import type { RootView } from "../machine/machines.ts";
import { besideView } from "./root-view.ts";
import type { Progress } from "../types.ts";

/**
 * Runs the assertion script on a root file system.
 * @param script Reads `ROOT`; prints `not ok - ...` for each finding, and then fails.
 * @throws UserError naming all findings.
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
    progress(`sealed: all ${lines.filter((line) => line.startsWith("ok")).length} checks passed`);
    return;
  }
  const left = lines.filter((line) => line.startsWith("not ok"));
  throw new UserError({
    where: "the sealed root file system",
    found: left.length > 0 ? left.join("; ") : `could not be checked (exit status ${result.exitCode}): ${result.all}`,
    cure: "remove it in a module of the recipe, or don't add it; then run `pulumi up` again",
  });
}

/** What sealing did, as recorded in the image; see provision/seal/guest/remove.sh. */
export async function sealingReport(
  view: RootView,
  signal?: AbortSignal,
): Promise<{ what: string; rule: string; path: string }[]> {
  const text = await besideView(view, ["cat", view.path + sealingReportFile], { signal });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [what = "", rule = "", ...path] = line.split("\t");
      return { what, rule, path: path.join("\t") };
    });
}
