// How the Automation API runs the CLI here: in a process group of its own. Ctrl-C at a terminal goes to every process of the
// foreground group, and the engine takes a second signal for "stop at once"; so only we get it, and hand it on once.
import { automation } from "@pulumi/pulumi";
import { execa } from "execa";
import { cliVersion } from "../toolchain/environment.mjs";
import { compareVersions, pulumiVersion } from "../toolchain/versions.mjs";

/** A `pulumi` command that failed. What went wrong was shown while it ran, where somebody listened. */
export class PulumiFailure extends Error {
  /** True when the engine's events told why it failed. */
  wasTold = false;

  /** @param output Standard output and error together. */
  constructor(
    readonly words: readonly string[],
    readonly output: string,
    readonly exitCode: number,
  ) {
    super(`pulumi ${words.slice(0, 2).join(" ")} failed (exit status ${exitCode})\n${output.trim()}`);
    this.name = "PulumiFailure";
  }
}

/** What the Automation API reads of a command that succeeded. */
interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}

type Listener = (text: string) => void;

/** The part of `PulumiCommand` that the Automation API calls; it is no part of its public types. */
interface Runner {
  run(
    words: string[],
    cwd: string,
    variables: Record<string, string>,
    onOutput?: Listener,
    onError?: Listener,
    signal?: AbortSignal,
  ): Promise<CommandResult>;
}

/**
 * The CLI for the Automation API.
 * @param cli Its path, from `toolchainEnvironment`.
 * @param interrupted Aborted on Ctrl-C: what is running is asked to stop, and waited for.
 */
export function pulumiCommand(cli: string, interrupted: AbortSignal): automation.PulumiCommand {
  // `PulumiCommand.get` takes only a CLI in a folder `bin`, and asks for its version at every start.
  const command = Object.create(automation.PulumiCommand.prototype) as automation.PulumiCommand;
  const runner: Runner = {
    async run(words, cwd, variables, onOutput, onError) {
      // One that begins after Ctrl-C would not hear of it.
      interrupted.throwIfAborted();
      const all = words.includes("--non-interactive") ? words : [...words, "--non-interactive"];
      const env = { ...variables, PULUMI_AUTOMATION_API: "true" };
      const child = execa(cli, all, { cwd, env, detached: true, cleanup: true, reject: false, all: true });
      const stop = () => child.kill("SIGINT");
      interrupted.addEventListener("abort", stop, { once: true });
      if (onOutput) child.stdout.on("data", (data: Buffer) => onOutput(data.toString()));
      if (onError) child.stderr.on("data", (data: Buffer) => onError(data.toString()));
      const {
        stdout,
        stderr,
        all: output,
        exitCode,
      } = await child.finally(() => interrupted.removeEventListener("abort", stop));
      if (exitCode !== 0) throw new PulumiFailure(words, output, exitCode ?? -1);
      return { stdout, stderr, code: 0 };
    },
  };
  const text = cliVersion(cli) ?? pulumiVersion;
  // What the API asks of a version; its own class is no part of its public types.
  const version = { toString: () => text, compare: (other: string) => compareVersions(text, other) };
  return Object.assign(command, { command: cli, version }, runner);
}
