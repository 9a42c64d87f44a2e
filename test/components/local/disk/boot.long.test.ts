// A local disk boots by BIOS, and boots an updated kernel next time. UEFI is covered by every verification, such as the
// one of test/engine/kill.ci.test.ts.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyFiles } from "../../../../components/local/provider/disk/disk-files.ts";
import { assembleImage } from "../../../../components/local/provider/disk/disk.ts";
import { cachedBase } from "../../../cached-base.ts";
import { BootedDisk } from "./booted-disk.ts";
import { scratchView } from "./support.ts";

const gibibyte = 1024 ** 3;

/** Prints, as `name=value` lines, the facts that the tests below check; runs as root in the guest. */
const survey = `
cloud-init status --wait >/dev/null || :
echo "cloud-init=$(cloud-init status --long | xargs)"
echo "failed=$(systemctl --failed --no-legend --plain | cut -d' ' -f1 | xargs)"
echo "efi=$(test -d /sys/firmware/efi && echo yes || echo no)"
echo "root=$(df --block-size=1 --output=size / | tail -n 1)"
echo "machine=$(cat /etc/machine-id)"
echo "host keys=$(cd /etc/ssh && echo ssh_host_*_key)"
ls /boot/efi/linux >/dev/null
echo "boot partition=$(findmnt --noheadings --output FSTYPE /boot/efi | xargs)"
version=$(uname -r)
cp /boot/vmlinuz-$version /boot/vmlinuz-999.1
cp /boot/initrd.img-$version /boot/initrd.img-999.1
run-parts --list /etc/kernel/postinst.d | grep ci-images | sh -s
echo "kernels=$(ls /boot/efi/linux | sed "s/^$version$/running/" | xargs)"
echo "default=$(sed -n 's/^DEFAULT //p' /boot/efi/syslinux.cfg) $(sed -n 's/^default //p' /boot/efi/loader/loader.conf)"
`;

describe("a machine booted from a local disk by BIOS", function () {
  // On emulated hardware.
  this.timeout(400_000);
  let folder: string;
  let machine: BootedDisk | undefined;
  let seen: Record<string, string>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    const view = await scratchView(folder, await cachedBase());
    const directory = join(folder, "image");
    const options = { view, directory, name: "worker", identity: "booted", size: 2 * gibibyte };
    const { files } = await assembleImage({ ...options, formats: ["qcow2"] }, () => {});
    machine = await BootedDisk.boot(join(folder, "machine"), join(directory, "disk.qcow2"), "bios");
    seen = Object.fromEntries(
      (await machine.run(survey))
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    await verifyFiles(directory, files);
  });

  after(async () => {
    await machine?.end(0);
    await rm(folder, { recursive: true });
  });

  const value = (name: string): string => seen[name] ?? assert.fail(`the survey lacks ${name}`);

  it("has no UEFI firmware", () => {
    assert.equal(value("efi"), "no");
  });

  it("finishes cloud-init and has no failed unit", () => {
    assert.match(value("cloud-init"), /^status: done\b/);
    assert.equal(value("failed"), "");
  });

  it("grows its root to the disk's size", () => {
    assert.ok(Number(value("root")) > 2.6 * gibibyte, value("root"));
  });

  it("makes its own machine id and host keys", () => {
    assert.match(value("machine"), /^[0-9a-f]{32}$/);
    assert.equal(value("host keys"), "ssh_host_ed25519_key");
  });

  it("mounts its boot partition on demand, and will boot a new kernel next time, while it keeps the running one", () => {
    assert.match(value("boot partition"), /\bvfat$/);
    assert.equal(value("kernels"), "running 999.1");
    assert.equal(value("default"), "999.1 linux-999.1.conf");
  });

  it("powers off cleanly when asked", async () => {
    assert.equal(await machine?.end(), "clean");
  });
});

describe("a machine booted from a VMDK", function () {
  // On emulated hardware.
  this.timeout(400_000);

  it("boots by UEFI, and cloud-init finishes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      const view = await scratchView(folder, await cachedBase());
      const directory = join(folder, "image");
      const options = { view, directory, name: "worker", identity: "booted", size: 2 * gibibyte };
      await assembleImage({ ...options, formats: ["vmdk"] }, () => {});
      const vmdk = join(directory, "disk.vmdk");
      const machine = await BootedDisk.boot(join(folder, "machine"), vmdk, "uefi");
      assert.match(await machine.run("cloud-init status --wait; test -d /sys/firmware/efi && echo efi"), /done[^]*efi/);
      await machine.end(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
