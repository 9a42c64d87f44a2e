// Runs commands on the scratch view of a root that becomes an image.
import { execa } from "execa";

/** A root tree that can be written to without changing the builder. */
export interface RootView {
  /** The tree's path, as seen by commands with the prefix `enter`. */
  path: string;
  /**
   * The command prefix that makes the tree visible, e.g. `["nsenter", "--mount=..."]`; empty if it is visible anyway.
   */
  enter: readonly string[];
  /** The read-only base below the root, to tell what was added. */
  base?: string;
}

/** Options of `besideView` and `inView`. */
export interface ViewCommandOptions {
  /** The command's standard input. */
  input?: string | Buffer;
  /** Added to the command's environment. */
  environment?: Record<string, string>;
  /** Aborts the command. */
  signal?: AbortSignal;
}

/**
 * Runs a program of this computer that can see the view.
 * @returns its standard output, without the last newline.
 * @throws ExecaError if it fails.
 */
export async function besideView(view: RootView, command: string[], options: ViewCommandOptions = {}): Promise<string> {
  const [file, ...words] = [...view.enter, ...command] as [string, ...string[]];
  const { stdout } = await execa(file, words, {
    input: options.input ?? "",
    env: { LC_ALL: "C.UTF-8", TZ: "UTC", ...options.environment },
    cancelSignal: options.signal,
  });
  return stdout;
}

/**
 * Like `besideView`, but runs a program of the root itself, in a chroot, so that links in the tree can't lead out of
 * it.
 */
export function inView(view: RootView, command: string[], options: ViewCommandOptions = {}): Promise<string> {
  return besideView(view, ["chroot", view.path, ...command], {
    ...options,
    environment: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...options.environment },
  });
}
