// Folders of system tools (mke2fs, sfdisk, chroot) that may be missing on a user's PATH, for example with plain `su` or
// in root's crontab.

const systemDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * A search path that also has the system's folders, at its end.
 * @param {string} [path]
 */
export function withSystemDirectories(path = "") {
  return [...new Set([...path.split(":").filter(Boolean), ...systemDirectories])].join(":");
}
