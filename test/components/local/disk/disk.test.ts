// Disks made from a real base image: the files, and what is refused.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { verifyFiles, type ImageFile } from "../../../../components/local/provider/disk/disk-files.ts";
import { diskIdentifiers } from "../../../../components/local/provider/disk/disk-layout.ts";
import { assembleImage, type AssembleOptions } from "../../../../components/local/provider/disk/disk.ts";
import { inView } from "../../../../components/local/provider/disk/root-view.ts";
import { cachedBase } from "../../../cached-base.ts";
import { scratchView, smallRoot } from "./support.ts";

/** Of the disk, in bytes. */
const size = 1024 ** 3;
const identity = "test of local disks";

describe("a disk made of a base", function () {
  this.timeout(400_000);
  let folder: string;
  let root: string[];
  let files: ImageFile[];
  const image = (): string => join(folder, "image");

  async function assemble(more: Partial<AssembleOptions>, signal?: AbortSignal, onLine: () => void = () => {}) {
    const view = await scratchView(folder, ...root);
    const common = { view, directory: join(folder, "other"), name: "worker", identity, size };
    return assembleImage({ ...common, formats: ["qcow2"], ...more }, onLine, signal);
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    root = await smallRoot(folder, await cachedBase());
    await mkdir(image());
    await writeFile(join(image(), "left-by-an-earlier-image"), "");
    const complete = async (directory: string, made: ImageFile[]): Promise<void> => {
      await verifyFiles(directory, made);
      await writeFile(join(directory, "manifest.json"), "{}");
    };
    // The form in which sealing records file flags.
    const view = await scratchView(folder, ...root);
    const flags =
      "mkdir -p /usr/lib/ci-images; printf 'i\\t/etc/hosts\\naA\\t/var/log\\n' >/usr/lib/ci-images/file-flags";
    await inView(view, ["sh", "-euc", flags]);
    ({ files } = await assemble({
      view,
      directory: image(),
      formats: ["qcow2", "raw", "tar", "vhd", "vmdk"],
      complete,
    }));
  });
  after(() => rm(folder, { recursive: true }));

  it("is written as all requested files, replacing what was there", async () => {
    const names = ["disk.qcow2", "disk.raw", "worker.tar.gz", "disk.vhd", "disk.vmdk"];
    assert.deepEqual((await readdir(image())).sort(), [...names, "manifest.json"].sort());
    assert.deepEqual(
      files.map(({ name }) => name),
      names,
    );
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.includes("partial")),
      [],
    );
  });

  it("has the same content in its other formats: a fixed VHD, as Azure demands, and a stream-optimized VMDK", async () => {
    const [raw, vhd, vmdk] = ["raw", "vhd", "vmdk"].map((end) => join(image(), `disk.${end}`));
    await execa("qemu-img", ["compare", "-f", "raw", "-F", "vpc", raw, vhd]);
    await execa("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", raw, vmdk]);
    const { size: bytes, blocks } = await stat(vhd);
    // A fixed VHD is the raw disk, in whole MiB, plus a footer of 512 bytes. Holes stay holes.
    assert.equal(bytes, size + 512);
    assert.ok(blocks * 512 < size / 2);
    const footer = Buffer.alloc(64);
    const file = await open(vhd);
    await file.read(footer, 0, 64, size);
    await file.close();
    assert.equal(footer.subarray(0, 8).toString(), "conectix");
    assert.equal(footer.readUInt32BE(60), 2, "fixed");
    assert.match((await execa("qemu-img", ["info", vmdk])).stdout, /create type: streamOptimized/);
  });

  it("has the requested size, uses only the space of its content, and has its recipe's identifiers", async () => {
    const { size: bytes, blocks } = await stat(join(image(), "disk.raw"));
    assert.equal(bytes, size);
    const content = Number.parseInt(await inView(await scratchView(folder, ...root), ["du", "-xs", "-B1", "/"]), 10);
    assert.ok(blocks * 512 < content * 1.1 + 128 * 1024 ** 2, `${blocks * 512} bytes for ${content}`);
    const { stdout } = await execa`sfdisk --json ${join(image(), "disk.raw")}`;
    const { partitiontable } = JSON.parse(stdout) as { partitiontable: { id: string; partitions: { uuid: string }[] } };
    const { disk, bootPartition, rootPartition } = diskIdentifiers(identity);
    const found = [partitiontable.id, ...partitiontable.partitions.map(({ uuid }) => uuid)];
    assert.deepEqual(
      found.map((id) => id.toLowerCase()),
      [disk, bootPartition, rootPartition],
    );
    await execa`qemu-img compare -q ${join(image(), "disk.raw")} ${join(image(), "disk.qcow2")}`;
  });

  it("is also available as a tar with a sound root file system, kernel and ramdisk", async () => {
    const unpacked = join(folder, "tar");
    await mkdir(unpacked);
    await execa`tar -xzf ${join(image(), "worker.tar.gz")} -C ${unpacked}`;
    assert.deepEqual((await readdir(unpacked)).sort(), ["worker-initrd", "worker-vmlinuz", "worker.img"]);
    const root = join(unpacked, "worker.img");
    await execa`e2fsck -fn ${root}`;
    assert.match((await execa`dumpe2fs -h ${root}`).stdout, new RegExp(diskIdentifiers(identity).rootFileSystem));
    assert.match((await execa`debugfs -R ${"stat /etc/hosts"} ${root}`).stdout, /Flags: 0x80010$/m);
    assert.match((await execa`debugfs -R ${"stat /var/log"} ${root}`).stdout, /Flags: 0x800a0$/m);
    // The base's own file modes are kept too.
    assert.match((await execa`debugfs -R ${"stat /usr/bin/sudo"} ${root}`).stdout, /Mode: +04755/);
    assert.match(
      (await execa`debugfs -R ${"ls /boot/efi"} ${root}`).stdout,
      /^\s*\d+ +\(\d+\) \. +\d+ +\(\d+\) \.\.\s*$/,
    );
  });

  it("is also made in a folder that can't be the changes of an overlay, where mke2fs waits for the disk", async () => {
    const [lower, upper, work, path] = ["lower", "upper", "work", "mounted"].map((name) => join(folder, name));
    for (const each of [lower, upper, work, path]) await mkdir(each);
    await execa("mount", [
      "-t",
      "overlay",
      "overlay",
      "-o",
      `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
      path,
    ]);
    try {
      await assemble({ directory: join(path, "image"), formats: ["raw"] });
      assert.deepEqual(await readdir(path), ["image"]);
      const { stdout } = await execa`sfdisk --json ${join(path, "image/disk.raw")}`;
      const { partitiontable } = JSON.parse(stdout) as { partitiontable: { partitions: { start: number }[] } };
      const { stdout: found } =
        await execa`debugfs -R ${"stat /etc/os-release"} ${`${join(path, "image/disk.raw")}?offset=${partitiontable.partitions[1].start * 512}`}`;
      assert.match(found, /^Inode: /m);
    } finally {
      await execa("umount", [path]);
    }
  });

  it("is refused before anything is written if the content does not fit", async () => {
    await assert.rejects(assemble({ size: 256 * 1024 ** 2 }), /size: 256 MiB is too small: .*cure: set `size: \d+M`/);
    assert.deepEqual(await leftovers(), []);
  });

  it("is refused if the root has no kernel", async () => {
    const view = await scratchView(folder, ...root);
    const [file, ...words] = view.enter as [string, ...string[]];
    await execa(file, [...words, "sh", "-c", 'rm "$1"/boot/vmlinuz-*', "sh", view.path]);
    await assert.rejects(assemble({ view }), /no kernel with a ramdisk .*cure: install a kernel/);
    assert.deepEqual(await leftovers(), []);
  });

  it("leaves nothing if it is cancelled half-way", async () => {
    const cancel = new AbortController();
    await assert.rejects(assemble({}, cancel.signal, () => setTimeout(() => cancel.abort(), 700)));
    assert.deepEqual(await leftovers(), []);
    const { stdout } = await execa({ reject: false })`pgrep -af ${folder}`;
    assert.equal(stdout, "");
  });

  async function leftovers(): Promise<string[]> {
    return (await readdir(folder)).filter((name) => name.startsWith("other"));
  }
});
