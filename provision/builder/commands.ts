// Renders the commands for the builder: one per module step, a reboot, and the acceptance tests. Each is a short
// command with a script on its standard input, so quoting and command-line length don't matter.
import ms from "ms";
import type { ModulePlan } from "../plan/plan.ts";
import { runFolder } from "./builder-folders.ts";
import { doorSocket } from "./door.ts";
import type { Check } from "../plan/root.ts";
import { rebootMark, renderProgram, runAsRoot } from "./runner.ts";
import { proxyVariables } from "../modules/shared/download.ts";
import { markBuilder } from "../modules/shared/units.ts";
import { recordScript } from "../seal/scripts.ts";
import type { Secrets } from "../recipe/secrets.ts";
import { scriptFile } from "../shell/script-file.ts";
import { quote, quoteAll } from "../shell/shell.ts";

/** A command for the builder, with properties named like those of `remote.Command`. */
export interface BuilderCommand {
  /** The command line for the login shell. */
  create: string;
  /** The standard input of the command. */
  stdin: string;
  /** Whether `stdin` contains secrets and must be stored encrypted. */
  isSecret: boolean;
}

const afterFailure =
  "The builder is kept: fix the recipe or the cause and run `pulumi up` again. The same recipe resumes here, an edited one starts on a fresh builder; `pulumi destroy` removes it.";

const afterVerification =
  "The image was made, but it did not pass: the stack's outputs still name the last good one. Edit the recipe and run `pulumi up` again, or run it as it is to repeat the verification; `pulumi destroy` removes image and machine.";

/**
 * Renders one step of a module.
 * @param module The module's plan.
 * @param step Index in its `steps`.
 * @param secrets The recipe's secrets: those that the module uses are files while it runs, and all are masked in its
 *   output.
 * @param present If the builder's list has the module's prefix hash, the module came with a layer and nothing is done.
 * @throws RangeError if there is no such step, or a secret is missing that the plan was made with.
 */
export function moduleCommand(
  module: ModulePlan,
  step: number,
  secrets: Secrets = {},
  present?: PresentModules,
): BuilderCommand {
  const { create, ...rest } = stepCommand(module, step, secrets);
  return { create: present ? `${unlessPresent(present)} ${create}` : create, ...rest };
}

/** The builder's list of modules that came with a layer, and the module to look up. */
export interface PresentModules {
  file: string;
  /** The module's prefix hash. */
  prefix: string;
}

/** Shell that ends the command if the module is present. It reads all input first, or the connection would break. */
function unlessPresent({ file, prefix }: PresentModules): string {
  return `if grep -qsx ${prefix} ${file}; then cat >/dev/null; echo "ci-images: came with a layer"; exit; fi;`;
}

function stepCommand(module: ModulePlan, step: number, secrets: Secrets): BuilderCommand {
  const found = module.steps[step];
  if (!found) throw new RangeError(`module ${module.name} has no step ${step}`);
  if (found.kind === "reboot") return rebootCommand(`module ${module.name}`);
  const used = module.usesSecrets.map((name) => {
    const value = secrets[name];
    if (value === undefined) throw new RangeError(`module ${module.name} was planned with the secret ${name}`);
    return [name, value] as const;
  });
  const allowMore = `If it needs longer, say so in the recipe, e.g. timeouts: { ${module.name}: "${ms(module.timeoutSeconds * 2000, { long: true })}" }.`;
  const stdin = renderProgram({
    title: `module ${module.name}`,
    script: found.script,
    timeoutSeconds: module.timeoutSeconds,
    timeoutCure: allowMore,
    failureCure: afterFailure,
    awaitsBoot: true,
    keepsDoor: true,
    environmentFile: proxyVariables,
    secrets: Object.fromEntries(used),
    masked: Object.values(secrets),
  });
  return { create: runAsRoot, stdin, isSecret: Object.keys(secrets).length > 0 };
}

/**
 * Renders the step before the first module: marks the machine as a builder, waits for cloud-init on a new machine, and
 * records the machine's files, so that sealing can tell what modules have made. cloud-init's own status is shown but
 * ignored, because base images have warnings of their own. Without cloud-init there is no wait.
 * @param waits False for a machine that cloud-init doesn't set up.
 */
export function settleCommand(waits: boolean): BuilderCommand {
  // cloud-init before 17 has no `status`, but it also writes this file last.
  const wait = `\
if ! command -v cloud-init >/dev/null; then
  echo "there is no cloud-init here"
elif cloud-init status --help >/dev/null 2>&1; then
  cloud-init status --wait || true
else
  until [ -e /var/lib/cloud/instance/boot-finished ]; do sleep 0.5; done
fi
`;
  const timeoutCure = "Look at /var/log/cloud-init-output.log on the builder.";
  const stdin = renderProgram({
    title: "the wait for cloud-init",
    // The mark comes first: units that the base brings along, such as the timer of idle_shutdown, are running already.
    script: `${markBuilder}\n${waits ? wait : ""}${recordScript}`,
    timeoutSeconds: 900,
    timeoutCure,
    failureCure: afterFailure,
  });
  return { create: runAsRoot, stdin, isSecret: false };
}

/**
 * Renders a reboot. The command ends before the machine goes down, and no connection is accepted until it is back. So
 * the next command can simply dial until it succeeds: it can't reach the machine while it is going down.
 * @param reason For the log: `module os_updates`.
 */
export function rebootCommand(reason: string): BuilderCommand {
  const script = `\
echo ${quote(`ci-images: rebooting for ${reason}`)}
touch ${rebootMark}
for unit in ${doorSocket} ssh.socket sshd.socket ssh.service sshd.service; do
  if systemctl --quiet is-active "$unit"; then systemctl stop "$unit"; fi
done
# Detached: this connection must end in good order before the machine does.
systemd-run --quiet --collect --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot
`;
  const stdin = renderProgram({
    title: `the reboot for ${reason}`,
    script,
    timeoutSeconds: 60,
    timeoutCure: "",
    failureCure: afterFailure,
  });
  return { create: runAsRoot, stdin, isSecret: false };
}

/**
 * Renders the acceptance tests. Every check runs, even if others fail. Prints a line for each, `ok - MODULE: WHAT` or
 * `not ok - ...` with its last lines, then `N passed, N failed`. Exit status 1 if one failed.
 * @param checks From a plan, `verificationChecks`, or both.
 * @param on Where they run: the cure for a failure differs between a builder and a machine booted from the image.
 * @param secrets The recipe's secrets: masked in the checks' output.
 */
export function testsCommand(
  checks: readonly Check[],
  on: "builder" | "image" = "builder",
  secrets: Secrets = {},
): BuilderCommand {
  const timeoutSeconds = checks.reduce((sum, check) => sum + check.timeoutSeconds + 10, 60);
  const [title, failureCure] =
    on === "builder" ? ["the acceptance tests", afterFailure] : ["the verification of the image", afterVerification];
  const masked = Object.values(secrets);
  const script = testScript(checks);
  const program = { title, script, timeoutSeconds, timeoutCure: "", failureCure, masked };
  // A machine booted from the image is tested while it still boots.
  const stdin = renderProgram({ ...program, awaitsBoot: on === "builder" });
  return { create: runAsRoot, stdin, isSecret: masked.length > 0 };
}

/** Marks an output line of a check with its finding, which is repeated in the verdict if the check passes. */
export const findingMark = "ci-images found: ";

/**
 * The program of the acceptance tests. On emulated hardware starting a program takes longer than most checks, so it
 * starts two for each: `timeout` and bash. Neighbouring independent checks run in two lanes if there are two processors.
 */
function testScript(checks: readonly Check[]): string {
  const numbered = checks.map((check, index) => ({ ...check, index }));
  const calls = numbered.map(({ module, what, script, timeoutSeconds, index, independent }) => {
    const words = [
      index,
      `${module}: ${what}`,
      Math.ceil(timeoutSeconds),
      script.endsWith("\n") ? script : `${script}\n`,
    ];
    return `${independent ? "beside" : "check"} ${quoteAll(words)}`;
  });
  return scriptFile(new URL("./runner/tests.sh", import.meta.url), {
    RUN_FOLDER: runFolder,
    FINDING: findingMark,
    CALLS: calls.join("\n"),
  });
}
