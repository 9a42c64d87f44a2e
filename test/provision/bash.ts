// Runs scripts that are rendered for the builder, in their own mount namespace with an empty /run, so that they leave
// this computer alone.
import { execa, type Result } from "execa";

/** A program's output and exit status. */
export type Outcome = Pick<Result, "stdout" | "stderr" | "exitCode">;

// An ordinary user becomes root in a user namespace.
const unshare = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];

/**
 * Runs bash as root with an empty /run.
 * @param script Bash's standard input.
 * @param parameters The script's `$1`, `$2` and so on.
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
