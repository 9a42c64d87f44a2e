// Runs the CLI for the Automation API in its own process group. Ctrl-C on a terminal goes to every process of the
// foreground group, and the engine takes a second signal for "stop at once"; so only this process gets it, and passes
// it on once.
import { automation } from "@pulumi/pulumi";
import { execa } from "execa";
import { cliVersion } from "../toolchain/environment.mjs";
import { compareVersions, pulumiVersion } from "../toolchain/versions.mjs";

/** A `pulumi` command that failed. The reason was shown while it ran, if somebody listened. */
export class PulumiFailure extends Error {
  /** True if the engine's events reported why it failed. */
  wasReported = false;

  /** @param output Combined standard output and error. */
  constructor(
    readonly words: readonly string[],
    readonly output: string,
    readonly exitCode: number,
  ) {
    super(`pulumi ${words.slice(0, 2).join(" ")} failed (exit status ${exitCode})\n${output.trim()}`);
    this.name = "PulumiFailure";
  }
}

/** What the Automation API reads of a successful command. */
interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}

type Listener = (text: string) => void;

/** The part of `PulumiCommand` that the Automation API calls; not in its public types. */
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
 * @param interrupted Aborted on Ctrl-C: a running command is asked to stop, and awaited.
 */
export function pulumiCommand(cli: string, interrupted: AbortSignal): automation.PulumiCommand {
  // `PulumiCommand.get` only accepts a CLI in a folder `bin`, and asks for its version at every start.
  const command = Object.create(automation.PulumiCommand.prototype) as automation.PulumiCommand;
  const runner: Runner = {
    async run(words, cwd, variables, onOutput, onError) {
      // A command that starts after Ctrl-C would miss the event.
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
  // The version's methods that the API uses; its own class is not in its public types.
  const version = { toString: () => text, compare: (other: string) => compareVersions(text, other) };
  return Object.assign(command, { command: cli, version }, runner);
}
