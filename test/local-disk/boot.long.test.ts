// A disk boots by BIOS, and a kernel that is updated there comes to be booted next. That disks boot by UEFI is seen by every
// verification, such as that of test/engine/kill.test.ts.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa, type ResultPromise } from "execa";
import { verifyFiles } from "../../provider/local/disk-files.ts";
import { assembleImage } from "../../provider/local/disk.ts";
import { powerDown } from "../../provider/local/qemu-monitor.ts";
import { accelerator, qemuCommand, virtualMachineFiles } from "../../provider/local/qemu.ts";
import { hostKeyFromConsole, prepareVirtualMachine } from "../../provider/local/virtual-machine.ts";
import { cachedBase } from "../cached-base.ts";
import { scratchView } from "./support.ts";

const gibibyte = 1024 ** 3;
const address = "127.77.254.2";

/** Says, as `name=value` lines, what the tests below look at; run as root in the guest. */
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
  let accelerated: Awaited<ReturnType<typeof accelerator>>;
  let machine: ResultPromise | undefined;
  let seen: Record<string, string>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    accelerated = await accelerator();
    const view = await scratchView(folder, await cachedBase());
    const directory = join(folder, "image");
    const options = { view, directory, name: "worker", identity: "booted", size: 2 * gibibyte };
    const { files } = await assembleImage({ ...options, formats: ["qcow2"] }, () => {});
    await execa`ssh-keygen -q -t ed25519 -N ${""} -f ${join(folder, "key")}`;
    seen = await boot();
    await verifyFiles(directory, files);
  });

  after(async () => {
    await powerDown(join(folder, "machine", virtualMachineFiles.monitor), 0);
    await machine;
    await rm(folder, { recursive: true });
  });

  /** Boots, logs in by the host key from the console, and returns what the survey says. */
  async function boot(): Promise<Record<string, string>> {
    const directory = join(folder, "machine");
    const authorizedKey = (await readFile(join(folder, "key.pub"), "utf8")).trim();
    const disk = join(folder, "image", "disk.qcow2");
    await prepareVirtualMachine(directory, { disk, authorizedKey });
    const [file, ...words] = qemuCommand({
      ...{ directory, firmware: "bios", memory: 768, cpus: 1, address, accelerator: accelerated },
    }) as [string, ...string[]];
    machine = execa(file, words, { stdin: "ignore" });
    const hostKey = await Promise.race([untilHostKey(directory), machine.then(() => assert.fail("QEMU ended"))]);
    const known = join(directory, "known_hosts");
    await writeFile(known, `${address} ${hostKey}\n`);
    const options = ["-o", `UserKnownHostsFile=${known}`, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"];
    const login = ["-i", join(folder, "key"), ...options, `debian@${address}`, "sudo bash -s"];
    const { stdout } = await execa("ssh", login, { input: survey });
    return Object.fromEntries(
      stdout.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  async function untilHostKey(directory: string): Promise<string> {
    const console = join(directory, virtualMachineFiles.console);
    for (const until = Date.now() + 240_000; Date.now() < until; await delay(200)) {
      const hostKey = await hostKeyFromConsole(console);
      if (hostKey !== undefined) return hostKey;
    }
    return assert.fail(`no host key on the console:\n${(await readFile(console, "latin1")).slice(-2000)}`);
  }

  const value = (name: string): string => seen[name] ?? assert.fail(`the survey lacks ${name}`);

  it("started with that firmware", () => {
    assert.equal(value("efi"), "no");
  });

  it("finished cloud-init and has no failed unit", () => {
    assert.match(value("cloud-init"), /^status: done\b/);
    assert.equal(value("failed"), "");
  });

  it("has grown its root to the disk it was given", () => {
    assert.ok(Number(value("root")) > 2.6 * gibibyte, value("root"));
  });

  it("made a machine id and host keys of its own", () => {
    assert.match(value("machine"), /^[0-9a-f]{32}$/);
    assert.equal(value("host keys"), "ssh_host_ed25519_key");
  });

  it("mounts its boot partition on demand, and a new kernel comes to be booted next, the running one being kept", () => {
    assert.match(value("boot partition"), /\bvfat$/);
    assert.equal(value("kernels"), "running 999.1");
    assert.equal(value("default"), "999.1 linux-999.1.conf");
  });

  it("powers off cleanly when asked", async () => {
    assert.equal(await powerDown(join(folder, "machine", virtualMachineFiles.monitor)), "clean");
  });
});
