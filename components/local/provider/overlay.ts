// Overlay file systems in mount namespaces of their own: a writable view of a tree that stays as it is, which nobody
// else sees and which is unmounted with the last process that uses it.

/** The folders of an overlay. */
export interface Overlay {
  /** Read-only trees, the topmost first. */
  lower: readonly string[];
  /** Takes the changes. */
  upper: string;
  /** Scratch space of the kernel, on the same file system as `upper`. */
  work: string;
  /** Where the view is mounted. */
  path: string;
  /** A file system that is mounted before the view is: `upper` and `work`, or a lower tree, lie in it. */
  disk?: OverlayDisk;
}

/** A file with a file system. */
export interface OverlayDisk {
  file: string;
  /** Where it is mounted. */
  path: string;
}

/** The options of mount(8) for such a file: what is deleted in it takes no place on this computer, and nothing waits for the real disk. */
export const diskOptions = "loop,noatime,discard,nobarrier";

/** What to put before a command's words so that it runs with the disk mounted, alone in a mount namespace. */
export function enterDisk({ file, path }: OverlayDisk): string[] {
  const script = `
set -e
mount -o ${diskOptions} "$1" "$2"
shift 2
exec "$@"`;
  return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", file, path];
}

/**
 * The options of `mount -t overlay`. `volatile` leaves out every sync to the disk, which makes package installation
 * several times faster: what a crash of the computer leaves is thrown away anyway.
 * @see https://docs.kernel.org/filesystems/overlayfs.html
 */
export function overlayOptions(overlay: Overlay): string {
  const lower = overlay.lower.map((path) => escape(path, /[\\:,]/g)).join(":");
  return `lowerdir=${lower},upperdir=${escape(overlay.upper)},workdir=${escape(overlay.work)},volatile`;
}

/**
 * What to put before a command's words so that it runs with the overlay mounted at its path, alone in a mount namespace
 * and as a process group that dies with it. One command at a time. Changes stay in `upper`.
 */
export function enterOverlay(overlay: Overlay): string[] {
  // The kernel marks the work folder of a volatile overlay and refuses to mount it again, because after a crash of the
  // computer `upper` could be torn. Callers know (by the boot id) that there was none.
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
