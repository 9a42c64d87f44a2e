// Reads the versions of the programs that make an image, for its manifest.
import { readFile } from "node:fs/promises";
import { execa } from "execa";

const programs: Record<string, string[]> = {
  "qemu-img": ["--version"],
  mke2fs: ["-V"],
  sfdisk: ["--version"],
  "systemd-nspawn": ["--version"],
};

/** The versions, by program. */
export async function toolVersions(): Promise<Record<string, string>> {
  const asked = Object.entries(programs).map(async ([program, flags]) => {
    const { all } = await execa(program, flags, { all: true });
    return [program, String(/\d+\.\d[\w.~+-]*|\b\d{3}\b/.exec(all)?.[0] ?? all.split("\n")[0])] as const;
  });
  const own = JSON.parse(await readFile(new URL("../../../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return { "ci-images": own.version, node: process.version.slice(1), ...Object.fromEntries(await Promise.all(asked)) };
}
