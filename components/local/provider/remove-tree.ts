// Removes a folder tree, whatever a guest or a module put in it.
import { execa } from "execa";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

/**
 * Removes a file, or a folder with everything in it. No-op if it does not exist. Unlike Node's `rm`, it copes with
 * paths longer than PATH_MAX, with files protected by `chattr +i` or `+a`, and with leftover mounts, which it unmounts
 * first.
 * @param path Symbolic links are removed, not followed.
 * @throws Error naming what can't be removed, and why.
 */
export async function removeTree(path: string): Promise<void> {
  const absolute = resolve(path);
  await unmountBelow(absolute);
  if ((await rm(absolute)) === undefined) return;
  // Only after a failure: this starts a program for each folder, because chattr's own recursion ends at PATH_MAX.
  await execa("find", [absolute, "-xdev", "(", "-type", "f", "-o", "-type", "d", ")", "-execdir", ...unprotect], {
    ...plain,
    reject: false,
  });
  const problem = await rm(absolute);
  if (problem !== undefined) throw new Error(`${absolute} can't be removed: ${problem}`);
}

const unprotect = ["chattr", "-f", "-i", "-a", "--", "{}", "+"];

// A tree of a million protected files yields a million error lines: limit what is kept.
const plain = { env: { LC_ALL: "C.UTF-8" }, stdin: "ignore", maxBuffer: 64 * 1024 } as const;

/** @returns what went wrong; undefined on success. */
async function rm(path: string): Promise<string | undefined> {
  // rm walks by folder descriptors, so no path is too long for it.
  const { failed, stderr, shortMessage } = await execa("rm", ["-rf", "--one-file-system", "--", path], {
    ...plain,
    reject: false,
  });
  if (!failed) return undefined;
  return stderr.split("\n")[0] || shortMessage;
}

/** Unmounts everything at or below this path in our mount namespace, innermost first. */
async function unmountBelow(path: string): Promise<void> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter(Boolean);
  const points = lines.map((line) => unescapeOctal(line.split(" ")[4]));
  const below = points.filter((point) => point === path || point.startsWith(`${path}/`));
  // The last line is the newest mount. One mount may hide another at the same path.
  for (const point of below.reverse()) await execa("umount", ["--no-canonicalize", "--", point], plain);
}

/** mountinfo writes spaces, tabs, newlines and backslashes as \040 and so on. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
