// Runs what is rendered for the builder, in a mount namespace of its own with an empty /run, so that this machine is left alone.
import { execa, type Result } from "execa";

/** What a program printed, and how it ended. */
export type Outcome = Pick<Result, "stdout" | "stderr" | "exitCode">;

// Not root: be root in a user namespace of one's own.
const unshare = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];

/**
 * Runs bash as root with an empty /run.
 * @param script What bash gets on its standard input; it can use `$1` and so on.
 */
export async function inNamespace(script: string, ...parameters: string[]): Promise<Outcome> {
  const command = ["bash", "-c", 'mount -t tmpfs tmpfs /run && exec bash -s "$@"', "bash", ...parameters];
  const { stdout, stderr, exitCode } = await execa("unshare", [...unshare, ...command], {
    input: script,
    reject: false,
  });
  return { stdout, stderr, exitCode };
}

/** Runs plain bash. */
export async function bash(script: string): Promise<Outcome> {
  const { stdout, stderr, exitCode } = await execa("bash", ["-s"], {
    input: script,
    reject: false,
    stripFinalNewline: false,
  });
  return { stdout, stderr, exitCode };
}
