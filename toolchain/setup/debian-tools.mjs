// The Debian packages that baking on stack `local` and the tests need. Each has a file that proves that it is
// installed, because looking for files is much faster than asking dpkg.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { findOnPath } from "../environment.mjs";
import { ToolProblem } from "../problem.mjs";
import { pulumiHome } from "../versions.mjs";
import { run, say, withLock } from "./run.mjs";
import { withSystemDirectories } from "../system-directories.mjs";

/**
 * @typedef {object} DebianTool
 * @property {string} name The package.
 * @property {string} proof A command, or a file (with a leading `/`), that only this package brings.
 * @property {string} reason What it is needed for.
 * @property {"test" | "long-test"} [only] Needed only by the tests, or only by the long tests.
 */

/** @typedef {"start" | "test" | "long-test"} Purpose Each purpose includes the needs of those before it. */

/** @type {DebianTool[]} */
export const debianTools = [
  { name: "mmdebstrap", proof: "mmdebstrap", reason: "bootstraps a distribution from its mirrors" },
  { name: "systemd-container", proof: "systemd-nspawn", reason: "boots the builder" },
  { name: "slirp4netns", proof: "slirp4netns", reason: "connects the builder to the network" },
  { name: "iproute2", proof: "ip", reason: "network namespaces" },
  { name: "util-linux", proof: "unshare", reason: "namespaces and mounts" },
  { name: "fdisk", proof: "sfdisk", reason: "partitions the image" },
  { name: "gdisk", proof: "sgdisk", reason: "marks the partition that BIOS boots" },
  { name: "e2fsprogs", proof: "mke2fs", reason: "the image's root file system" },
  { name: "dosfstools", proof: "mkfs.fat", reason: "the image's boot partition" },
  { name: "mtools", proof: "mcopy", reason: "fills the boot partition without mounting it" },
  {
    name: "systemd-boot-efi",
    proof: "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
    reason: "boots the image on UEFI",
  },
  { name: "syslinux", proof: "syslinux", reason: "boots the image on BIOS" },
  { name: "syslinux-common", proof: "/usr/lib/syslinux/mbr/gptmbr.bin", reason: "boots the image on BIOS" },
  { name: "qemu-utils", proof: "qemu-img", reason: "writes disk.qcow2" },
  { name: "qemu-system-x86", proof: "qemu-system-x86_64", reason: "boots the finished image to verify it" },
  { name: "ovmf", proof: "/usr/share/OVMF/OVMF_CODE_4M.fd", reason: "UEFI firmware for that boot" },
  { name: "tar", proof: "tar", reason: "packs and unpacks base images" },
  { name: "zstd", proof: "zstd", reason: "compresses cached base images" },
  { name: "xz-utils", proof: "xz", reason: "unpacks base images that come as .tar.xz" },
  { name: "bzip2", proof: "bzip2", reason: "unpacks base images that come as .tar.bz2" },
  { name: "pigz", proof: "pigz", reason: "packs the EC2-style tar" },
  {
    name: "debian-archive-keyring",
    proof: "/usr/share/keyrings/debian-archive-keyring.gpg",
    reason: "the keys that Debian's packages are signed with",
  },
  { name: "openssh-client", proof: "ssh", reason: "logs in to a builder (`./ci-images ssh`)" },
  { name: "ca-certificates", proof: "/etc/ssl/certs/ca-certificates.crt", reason: "downloads over https" },
  { name: "rpm", proof: "rpm", reason: "tests of rpm packages", only: "test" },
  { name: "dnf", proof: "dnf", reason: "tests of rpm packages", only: "test" },
  { name: "python3", proof: "python3", reason: "runs moto, the emulator of EC2", only: "test" },
  {
    name: "python3-venv",
    proof: "/var/lib/dpkg/info/python3-venv.list",
    reason: "keeps moto apart from the system's Python",
    only: "test",
  },
  { name: "openssl", proof: "openssl", reason: "certificates for tests", only: "test" },
  { name: "shellcheck", proof: "shellcheck", reason: "checks the generated shell scripts", only: "test" },
  {
    name: "postgresql",
    proof: "/usr/lib/postgresql",
    reason: "a shared backend for the long tests",
    only: "long-test",
  },
];

/** How old the package lists may be before they are updated, in milliseconds. */
const oldestLists = 24 * 60 * 60 * 1000;

/**
 * @param {Purpose} purpose
 * @param {NodeJS.ProcessEnv} environment
 * @returns {DebianTool[]}
 */
export function missingTools(purpose, environment) {
  const PATH = withSystemDirectories(environment.PATH);
  const purposes = ["start", "test", "long-test"];
  return debianTools.filter(({ proof, only = "start" }) => {
    if (purposes.indexOf(only) > purposes.indexOf(purpose)) return false;
    return proof.startsWith("/") ? !existsSync(proof) : findOnPath(proof, { PATH }).length === 0;
  });
}

/**
 * Installs missing packages with apt-get.
 * @param {Purpose} purpose
 * @param {NodeJS.ProcessEnv} environment
 * @throws {ToolProblem} if there is no apt-get or we are not root, with the command to run.
 */
export async function installDebianTools(purpose, environment) {
  if (missingTools(purpose, environment).length === 0) return;
  refuseWhereImpossible(missingTools(purpose, environment), environment);
  await withLock(join(pulumiHome(environment), "ci-images-setup.lock"), async () => {
    const missing = missingTools(purpose, environment);
    if (missing.length === 0) return; // The setup that we waited for has installed them.
    for (const { name, reason } of missing) say(`the Debian package ${name} is missing (${reason})`);
    const env = { ...environment, DEBIAN_FRONTEND: "noninteractive" };
    // Waits for another apt, such as the system's own updates.
    const patient = ["-q", "-o", "DPkg::Lock::Timeout=600"];
    if (listsAreStale()) {
      say("fetching apt's package lists, which are missing or older than a day");
      await run("apt-get", [...patient, "update"], { env });
    }
    const names = missing.map(({ name }) => name);
    say(`installing ${names.length} Debian packages`);
    await run("apt-get", [...patient, "install", "-y", "--no-install-recommends", ...names], { env });
    const still = missingTools(purpose, environment);
    if (still.length > 0)
      throw new ToolProblem(
        `apt-get has installed ${still.map(({ name }) => name).join(", ")}, but ${still.map(({ proof }) => proof).join(", ")} is still missing`,
        "please report this distribution: its packages differ",
      );
  });
}

/**
 * @param {DebianTool[]} missing
 * @param {NodeJS.ProcessEnv} environment
 */
function refuseWhereImpossible(missing, environment) {
  const list = missing.map(({ name, reason }) => `    ${name}: ${reason}`).join("\n");
  const names = missing.map(({ name }) => name).join(" ");
  if (findOnPath("apt-get", environment).length === 0)
    throw new ToolProblem(
      `these Debian packages are missing, and there is no apt-get to install them:\n${list}`,
      "run this on Debian or Ubuntu, or install the equivalent packages of your distribution",
    );
  if (process.getuid?.() !== 0)
    throw new ToolProblem(
      `these Debian packages are missing, and only root may install them:\n${list}`,
      `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names}`,
    );
}

function listsAreStale() {
  const directory = "/var/lib/apt/lists";
  if (!existsSync(directory) || !readdirSync(directory).some((name) => name.includes("Packages"))) return true;
  return Date.now() - statSync(directory).mtimeMs > oldestLists;
}
