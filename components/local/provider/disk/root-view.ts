// Running commands on the scratch view of a root that an image is made from.
import { execa } from "execa";

/** A root tree that may be written to without changing the builder. Only one command at a time may run on it (an overlay is mounted for each). */
export interface RootView {
  /** Where the tree is, as commands see it that run with `enter` in front. */
  path: string;
  /** What to put before a command's words so that it runs as root and sees the tree, e.g. `["nsenter", "--mount=..."]`; empty when it is seen anyway. */
  enter: readonly string[];
  /** The tree that the root was made over, to tell what was added; nobody may write to it. */
  base?: string;
}

/** Options of `besideView` and `inView`. */
export interface ViewCommandOptions {
  /** Given to the command on its standard input. */
  input?: string;
  /** Added to the command's environment. */
  environment?: Record<string, string>;
  /** Ends the command when it is aborted. */
  signal?: AbortSignal;
}

/**
 * Runs a program of this machine where it sees the view.
 * @returns its standard output, without the last line end.
 * @throws ExecaError where it fails.
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

/** Runs a program of the root itself, inside it: links in the tree can't lead out of it. Otherwise as `besideView`. */
export function inView(view: RootView, command: string[], options: ViewCommandOptions = {}): Promise<string> {
  return besideView(view, ["chroot", view.path, ...command], {
    ...options,
    environment: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...options.environment },
  });
}
