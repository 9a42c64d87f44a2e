// Overlay file systems in private mount namespaces: a writable view of a read-only tree. No other process sees it, and
// it is unmounted with the last process that uses it.
import { once } from "node:events";
import { execa } from "execa";

/** The folders of an overlay. */
export interface Overlay {
  /** Read-only trees, topmost first. */
  lower: readonly string[];
  /** Receives the changes. */
  upper: string;
  /** Scratch space for the kernel, on the same file system as `upper`. */
  work: string;
  /** Where the view is mounted. */
  path: string;
  /** A file system to mount first, because it contains `upper` and `work`, or a lower tree. */
  disk?: OverlayDisk;
}

/** A file that contains a file system. */
export interface OverlayDisk {
  file: string;
  /** Where it is mounted. */
  path: string;
}

/** The mount(8) options for such a file: deleted data frees space on this computer, and no write waits for the disk. */
export const diskOptions = "loop,noatime,discard,nobarrier";

/** The command prefix that runs a command with the disk mounted, in its own mount namespace. */
export function enterDisk({ file, path }: OverlayDisk): string[] {
  const script = `
set -e
mount -o ${diskOptions} "$1" "$2"
shift 2
exec "$@"`;
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", file, path];
}

/**
 * The options of `mount -t overlay`. `volatile` skips every sync to the disk, which makes package installation several
 * times faster. A crash of the computer loses the changes, but they would be discarded anyway.
 * @see https://docs.kernel.org/filesystems/overlayfs.html
 */
export function overlayOptions(overlay: Overlay): string {
  const lower = overlay.lower.map((path) => escape(path, /[\\:,]/g)).join(":");
  return `lowerdir=${lower},upperdir=${escape(overlay.upper)},workdir=${escape(overlay.work)},volatile`;
}

/**
 * The command prefix that runs a command with the overlay mounted at its path, in its own mount namespace. One command
 * at a time. Changes stay in `upper`.
 */
export function enterOverlay(overlay: Overlay): string[] {
  // The kernel marks the work folder of a volatile overlay and refuses to mount it again, because a crash of the
  // computer could have corrupted `upper`. Callers rule that out by the boot id, so the mark is removed.
  const script = `
set -e
rm -rf "$1/work"
mount -t overlay overlay -o "$2" "$3"
shift 3
exec "$@"`;
  const words = ["sh", overlay.work, overlayOptions(overlay), overlay.path];
  const namespace = overlay.disk ? enterDisk(overlay.disk) : ["unshare", "--mount", "--propagation", "private"];
  return [...namespace, "sh", "-c", script, ...words];
}

/** An overlay that stays mounted, in a mount namespace of its own. */
export interface HeldOverlay {
  /** What to put before a command's words so that it runs there. */
  enter: string[];
  /** Unmounts it. */
  release: () => Promise<void>;
}

/**
 * Mounts an overlay until it is released or this process ends. For many commands: each mount takes a tenth of a second, and
 * forgets which files are in memory.
 * @throws Error if it can't be mounted.
 */
export async function holdOverlay(overlay: Overlay): Promise<HeldOverlay> {
  const [command, ...words] = enterOverlay(overlay);
  // It ends with its input: with us at the latest.
  const holder = execa(command, [...words, "sh", "-c", "echo mounted; exec cat"], {
    reject: false,
    buffer: { stdout: false },
  });
  const isMounted = await Promise.race([once(holder.stdout, "data"), holder.then(() => undefined)]);
  if (isMounted === undefined) throw new Error(`an overlay could not be mounted: ${(await holder).stderr}`);
  const enter = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`];
  const release = async () => {
    holder.stdin.end();
    await holder;
  };
  return { enter, release };
}

function escape(path: string, special = /[\\,]/g): string {
  return path.replace(special, (character) => `\\${character}`);
}
