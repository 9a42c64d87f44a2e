// The other program that an edit is compared with: Packer, with its QEMU builder. It starts from a disk with cloud-init
// that we baked without any packages, and installs the packages of the default recipe by SSH.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { makeSshKeyPair } from "../common/ssh-key-pair.ts";
import { archiveFor } from "../components/local/provider/base/archives.ts";
import { accelerator } from "../components/local/provider/machine/qemu.ts";
import { findDistribution } from "../provision/distributions.ts";
import { findOnPath } from "../toolchain/environment.mjs";

/** Its package in Debian, with the QEMU builder inside; later versions download that from the internet. */
const debianPackage = "packer";

/** Commands that it needs. */
const needed = { packer: debianPackage, "qemu-system-x86_64": "qemu-system-x86" };

/** @returns why it can't run here; undefined when it can. */
export function whyMissing(): string | undefined {
  const missing = Object.entries(needed).filter(([name]) => findOnPath(name, process.env).length === 0);
  if (missing.length === 0) return undefined;
  const [names, packages] = [missing.map(([name]) => name), missing.map(([, each]) => each)];
  return `there is no ${names.join(", no ")} here: apt-get install ${packages.join(" ")}`;
}

/** `1.6.6`. */
export async function version(): Promise<string> {
  const { stdout } = await execa("packer", ["version"], { env: quiet });
  return /v(\d[\w.]*)/.exec(stdout)?.[1] ?? stdout;
}

/** No calls home. */
const quiet = { CHECKPOINT_DISABLE: "1" };

/**
 * Makes a qcow2 disk with some packages from one of ours without them.
 * @param disk A disk with cloud-init.
 * @returns how many seconds it took, and how many packages the machine had at the end.
 * @throws Error with its last lines when it fails.
 */
export async function makeDisk(
  distributionId: string,
  disk: string,
  packages: readonly string[],
): Promise<{ seconds: number; packages: number }> {
  const distribution = findDistribution(distributionId);
  const folder = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  try {
    const key = makeSshKeyPair("bench");
    const [keyFile, seed, template, listed] = ["key", "seed", "template.json", "packages"].map((name) =>
      join(folder, name),
    );
    await writeFile(keyFile, key.privateKey, { mode: 0o600 });
    await mkdir(seed);
    await writeFile(join(seed, "meta-data"), JSON.stringify({ "instance-id": "bench" }));
    await writeFile(
      join(seed, "user-data"),
      `#cloud-config\n${JSON.stringify({ ssh_authorized_keys: [key.publicKey] })}\n`,
    );
    // The mirrors that our own bake uses.
    const { main, security } = await archiveFor(distribution);
    const { codename, loginUser } = distribution;
    const install = [
      "cloud-init status --wait",
      `printf '%s\\n' 'deb ${main} ${codename} main' 'deb ${security} ${codename}-security main' >/etc/apt/sources.list`,
      "rm -f /etc/apt/sources.list.d/*",
      "export DEBIAN_FRONTEND=noninteractive",
      "apt-get -q update",
      `apt-get -qy --no-install-recommends install ${packages.join(" ")}`,
      "dpkg-query -W >/tmp/packages",
    ];
    const builder = {
      type: "qemu",
      accelerator: await accelerator(),
      headless: true,
      disk_image: true,
      iso_url: disk,
      iso_checksum: "none",
      format: "qcow2",
      disk_interface: "virtio",
      net_device: "virtio-net",
      cpus: 2,
      memory: 2048,
      http_directory: seed,
      qemuargs: [["-smbios", "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"]],
      ssh_username: loginUser,
      ssh_private_key_file: keyFile,
      ssh_timeout: "20m",
      shutdown_command: "sudo poweroff",
      output_directory: join(folder, "out"),
    };
    const provisioners = [
      { type: "shell", execute_command: "sudo sh -e {{ .Path }}", inline: install },
      { type: "file", direction: "download", source: "/tmp/packages", destination: listed },
    ];
    await writeFile(template, JSON.stringify({ builders: [builder], provisioners }));
    const start = performance.now();
    const { failed, all } = await execa("packer", ["build", "-color=false", template], {
      reject: false,
      all: true,
      stdin: "ignore",
      env: { ...quiet, TMPDIR: folder, PACKER_CACHE_DIR: join(folder, "cache"), HOME: folder },
    });
    const seconds = (performance.now() - start) / 1000;
    if (failed) throw new Error(`packer build failed:\n${all?.split("\n").slice(-30).join("\n")}`);
    return { seconds, packages: (await readFile(listed, "utf8")).trim().split("\n").length };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
