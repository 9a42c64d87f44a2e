// Runs the CLI for the Automation API in its own process group. A terminal sends Ctrl-C to every process of the
// foreground group, and the engine stops at once when it gets a second signal; so only this process gets Ctrl-C, and
// passes it on.
import { automation } from "@pulumi/pulumi";
import { execa } from "execa";
import { cliVersion } from "../toolchain/environment.mjs";
import { compareVersions, pulumiVersion } from "../toolchain/versions.mjs";
import { track } from "./running-commands.ts";

/** A `pulumi` command failed. If somebody listened to its events, they have reported the reason. */
export class PulumiFailure extends Error {
  /** True if the engine's events reported why it failed. */
  wasReported = false;
  /** True if the program refused the settings, the recipe, or what the cloud says about them. */
  isRefusal = false;

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

/** The result of a successful command that the Automation API expects. */
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
 * @param interrupted Aborted on Ctrl-C: a running command then gets SIGINT and is awaited.
 */
export function pulumiCommand(cli: string, interrupted: AbortSignal): automation.PulumiCommand {
  // `PulumiCommand.get` accepts only a CLI in a folder `bin`, and runs it at every start to get its version.
  const command = Object.create(automation.PulumiCommand.prototype) as automation.PulumiCommand;
  const runner: Runner = {
    async run(words, cwd, variables, onOutput, onError) {
      // A command that starts after Ctrl-C would miss the event.
      interrupted.throwIfAborted();
      const all = words.includes("--non-interactive") ? words : [...words, "--non-interactive"];
      const env = { ...variables, PULUMI_AUTOMATION_API: "true" };
      const child = execa(cli, all, { cwd, env, detached: true, reject: false, all: true });
      track(child);
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
  // The API uses only these methods of a version; the class is not in its public types.
  const version = { toString: () => text, compare: (other: string) => compareVersions(text, other) };
  return Object.assign(command, { command: cli, version }, runner);
}
