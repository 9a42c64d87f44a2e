// Flags of files as chattr(1) sets them: mke2fs copies modes, owners and attributes of a tree, but not these. Sealing has noted them.
import { execa } from "execa";
import { fileFlagsFile } from "../../provision/seal/kept.ts";
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

/**
 * Gives the files of an ext4 file system in a disk the flags that they had on the builder.
 * @param disk The disk's file. @param offset Where the file system begins in it, in bytes. @param view The root it was made of.
 */
export async function restoreFlags(disk: string, offset: number, view: RootView, signal?: AbortSignal): Promise<void> {
  const noted = await besideView(view, [
    "sh",
    "-c",
    'if [ -f "$1" ]; then cat "$1"; fi',
    "sh",
    view.path + fileFlagsFile,
  ]);
  const flagged = noted.split("\n").flatMap((line) => {
    const [flags = "", path = ""] = line.split("\t", 2);
    const mask = [...flags].reduce((all, flag) => all | (bits[flag] ?? 0), 0);
    return mask === 0 || path === "" ? [] : [{ mask, path: `"${path.replaceAll('"', '""')}"` }];
  });
  if (flagged.length === 0) return;
  const target = `${disk}?offset=${offset}`;
  const debugfs = async (options: string[], commands: string[]): Promise<string> => {
    const input = `${commands.join("\n")}\n`;
    const { stdout } = await execa("debugfs", [...options, "-f", "-", target], { input, cancelSignal: signal });
    return stdout;
  };
  // Every file has flags of the file system's own (extents), which stay.
  const told = await debugfs(
    [],
    flagged.map(({ path }) => `stat ${path}`),
  );
  const present = [...told.matchAll(/^Inode: .*Flags: 0x([0-9a-f]+)$/gm)].map(([, hex]) => Number.parseInt(hex, 16));
  if (present.length !== flagged.length) throw new Error(`debugfs has not found all files with flags:\n${told}`);
  await debugfs(
    ["-w"],
    flagged.map(({ mask, path }, index) => `set_inode_field ${path} flags 0x${(present[index] | mask).toString(16)}`),
  );
}
