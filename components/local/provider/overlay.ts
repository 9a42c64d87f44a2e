// Overlay file systems in private mount namespaces: a writable view of a read-only tree. No other process sees it, and
// it is unmounted with the last process that uses it.

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

function escape(path: string, special = /[\\,]/g): string {
  return path.replace(special, (character) => `\\${character}`);
}
