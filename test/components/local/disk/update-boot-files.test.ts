import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa, type Result } from "execa";

const script = join(import.meta.dirname, "../../../../components/local/provider/disk/update-boot-files.sh");

describe("update-boot-files in a guest", () => {
  let root: string;
  const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  const debianKernel = async (version: string, text = version): Promise<void> => {
    await put(`boot/vmlinuz-${version}`, `kernel ${text}`);
    await put(`boot/initrd.img-${version}`, `ramdisk ${text}`);
  };
  const run = (): Promise<Result> => execa("sh", [script], { env: { CI_IMAGES_ROOT: root } });
  const kept = async (): Promise<string[]> => (await readdir(join(root, "boot/efi/linux"))).sort();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await put("boot/efi/loader/loader.conf", "");
    await put("etc/kernel/cmdline", "root=UUID=1 quiet\n");
    await put("etc/os-release", 'NAME=x\nPRETTY_NAME="Some Linux 12"\n');
  });
  afterEach(() => rm(root, { recursive: true }));

  it("boots the newest Debian kernel with both boot loaders, and keeps one older kernel", async () => {
    for (const version of ["6.1.0-9-cloud-amd64", "6.1.0-40-cloud-amd64", "6.1.0-38-cloud-amd64"])
      await debianKernel(version);
    await run();
    assert.deepEqual(await kept(), ["6.1.0-38-cloud-amd64", "6.1.0-40-cloud-amd64"]);
    assert.equal(await read("boot/efi/loader/loader.conf"), "timeout 0\ndefault linux-6.1.0-40-cloud-amd64.conf\n");
    assert.equal(
      await read("boot/efi/loader/entries/linux-6.1.0-40-cloud-amd64.conf"),
      `title Some Linux 12
version 6.1.0-40-cloud-amd64
linux /linux/6.1.0-40-cloud-amd64/vmlinuz
initrd /linux/6.1.0-40-cloud-amd64/initrd
options root=UUID=1 quiet
`,
    );
    const menu = await read("boot/efi/syslinux.cfg");
    assert.match(menu, /^DEFAULT 6\.1\.0-40-cloud-amd64$/m);
    assert.match(menu, /^ {2}APPEND root=UUID=1 quiet$/m);
    assert.equal(menu.match(/^LABEL /gm)?.length, 2);
    assert.equal(await read("boot/efi/linux/6.1.0-40-cloud-amd64/initrd"), "ramdisk 6.1.0-40-cloud-amd64");
  });

  it("follows an update: drops the removed kernel, boots the new one, copies a rebuilt ramdisk", async () => {
    await debianKernel("6.1.0-1");
    await debianKernel("6.1.0-2");
    await run();
    await rm(join(root, "boot/vmlinuz-6.1.0-1"));
    await rm(join(root, "boot/initrd.img-6.1.0-1"));
    await debianKernel("6.1.0-10");
    await debianKernel("6.1.0-2", "rebuilt");
    await run();
    assert.deepEqual(await kept(), ["6.1.0-10", "6.1.0-2"]);
    assert.deepEqual((await readdir(join(root, "boot/efi/loader/entries"))).sort(), [
      "linux-6.1.0-10.conf",
      "linux-6.1.0-2.conf",
    ]);
    assert.equal(await read("boot/efi/linux/6.1.0-2/initrd"), "ramdisk rebuilt");
    assert.match(await read("boot/efi/loader/loader.conf"), /default linux-6\.1\.0-10\.conf/);
  });

  it("keeps the running kernel as the older one, because it is known to boot", async () => {
    const { stdout: running } = await execa("uname", ["-r"]);
    for (const version of [running, "999.1", "999.2"]) await debianKernel(version);
    await run();
    assert.deepEqual(await kept(), [running, "999.2"].sort());
  });

  it("knows Red Hat's file names, and ignores rescue kernels and kernels without a ramdisk", async () => {
    await put("boot/vmlinuz-5.14.0-503.el9.x86_64", "kernel");
    await put("boot/initramfs-5.14.0-503.el9.x86_64.img", "ramdisk");
    await put("boot/vmlinuz-0-rescue-0123", "kernel");
    await put("boot/initramfs-0-rescue-0123.img", "ramdisk");
    await put("boot/vmlinuz-9.9", "half installed");
    await run();
    assert.deepEqual(await kept(), ["5.14.0-503.el9.x86_64"]);
  });

  it("does not rewrite unchanged files", async () => {
    await debianKernel("6.1.0-1");
    await run();
    const time = async (): Promise<number> => (await stat(join(root, "boot/efi/linux/6.1.0-1/vmlinuz"))).mtimeMs;
    const before = await time();
    await run();
    assert.equal(await time(), before);
  });

  it("leaves the boot partition unchanged if no kernel is installed", async () => {
    await debianKernel("6.1.0-1");
    await run();
    await rm(join(root, "boot/vmlinuz-6.1.0-1"));
    assert.match(String((await run()).stderr), /no kernel with a ramdisk/);
    assert.deepEqual(await kept(), ["6.1.0-1"]);
  });

  it("does nothing without a boot partition, and fails if the boot partition is not mounted", async () => {
    await rm(join(root, "boot/efi"), { recursive: true });
    await debianKernel("6.1.0-1");
    await put("etc/fstab", "UUID=1 / ext4 defaults 0 1\nPARTUUID=abcd /boot/efi vfat nofail 0 0\n");
    assert.match(String((await run()).stderr), /no boot partition/);
    await put("dev/disk/by-partuuid/abcd", "");
    await assert.rejects(run(), /the boot partition isn't mounted/);
  });
});
