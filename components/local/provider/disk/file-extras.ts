// Restores what mke2fs does not copy into a new file system: file flags set by chattr(1), and the space behind a swap
// file's zeros, because the kernel refuses a swap file with holes. Sealing has recorded both.
import { execa } from "execa";
import { fileFlagsFile, swapFilesFile } from "../../../../provision/seal/kept.ts";
import { besideView, type RootView } from "./root-view.ts";

/** The bits in an inode; ext2_fs.h of e2fsprogs. */
const bits: Readonly<Record<string, number>> = {
  S: 0x8,
  i: 0x10,
  a: 0x20,
  d: 0x40,
  A: 0x80,
  j: 0x4000,
  t: 0x8000,
  D: 0x10000,
  T: 0x20000,
};

/** A file system in a disk. */
export interface FileSystem {
  disk: string;
  /** Its offset on the disk, in bytes. */
  offset: number;
  /** The root it was made from. */
  view: RootView;
  signal?: AbortSignal;
}

/** Sets the flags that files had on the builder. */
export async function restoreFlags(fileSystem: FileSystem): Promise<void> {
  const flagged = (await notedLines(fileSystem, fileFlagsFile)).flatMap((line) => {
    const [flags = "", path = ""] = line.split("\t", 2);
    const mask = [...flags].reduce((all, flag) => all | (bits[flag] ?? 0), 0);
    return mask === 0 || path === "" ? [] : [{ mask, path: word(path) }];
  });
  if (flagged.length === 0) return;
  // Keep the flags that the file system itself sets (extents).
  const told = await debugfs(
    fileSystem,
    [],
    flagged.map(({ path }) => `stat ${path}`),
  );
  const present = [...told.matchAll(/^Inode: .*Flags: 0x([0-9a-f]+)$/gm)].map(([, hex]) => Number.parseInt(hex, 16));
  if (present.length !== flagged.length) throw new Error(`debugfs did not find all files with flags:\n${told}`);
  const commands = flagged.map(
    ({ mask, path }, index) => `set_inode_field ${path} flags 0x${(present[index] | mask).toString(16)}`,
  );
  await debugfs(fileSystem, ["-w"], commands);
}

/** Allocates the blocks of swap files, whose zeros have become holes. The file system must have blocks of 4 KiB. */
export async function allocateSwapFiles(fileSystem: FileSystem): Promise<void> {
  const files = (await notedLines(fileSystem, swapFilesFile)).map((line) => line.split("\t", 2) as [string, string]);
  if (files.length === 0) return;
  const commands = files.map(([size, path]) => `fallocate ${word(path)} 0 ${Math.floor(Number(size) / 4096) - 1}`);
  await debugfs(fileSystem, ["-w"], commands);
}

async function notedLines({ view, signal }: FileSystem, file: string): Promise<string[]> {
  const script = 'if [ -f "$1" ]; then cat "$1"; fi';
  const text = await besideView(view, ["sh", "-c", script, "sh", view.path + file], { signal });
  return text.split("\n").filter((line) => line !== "");
}

function word(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

async function debugfs({ disk, offset, signal }: FileSystem, options: string[], commands: string[]): Promise<string> {
  const input = `${commands.join("\n")}\n`;
  const target = `${disk}?offset=${offset}`;
  const { stdout } = await execa("debugfs", [...options, "-f", "-", target], { input, cancelSignal: signal });
  return stdout;
}
