// The disk of a computer to bake on: a distribution with systemd as process 1 and what setup installs, this checkout,
// its npm packages, Pulumi, and a base image to bake from, so that it needs no network.
import { dirname, join } from "node:path";
import { gibibyte } from "../../common/sizes.ts";
import * as machines from "../../components/local/provider/machine/machines.ts";
import { assembleImage } from "../../components/local/provider/disk/disk.ts";
import { besideView, type RootView } from "../../components/local/provider/disk/root-view.ts";
import { findCli } from "../../toolchain/environment.mjs";
import { pulumiVersion } from "../../toolchain/versions.mjs";
import { debianTools } from "../../toolchain/setup/debian-tools.mjs";
import { cachedBase } from "../cached-base.ts";
import { builderSpec, project, ssh } from "../components/local/support.ts";

/** Where things are on the host. */
export const onHost = {
  checkout: "/srv/ci-images",
  /** The root of a Debian 12 with Docker, and `busybox.tar` in it, an image's only layer. */
  dockerBase: "/srv/docker",
};

/**
 * What each distribution has besides the tools that baking needs: login sessions, and its own Node if that is new
 * enough.
 */
const packages: Record<string, string[]> = {
  debian12: ["libpam-systemd", "dbus", "libstdc++6"],
  debian13: ["libpam-systemd", "dbus", "nodejs"],
};

/** The distributions that a host can have. */
export const hostDistributions = Object.keys(packages);

/** Verification boots a virtual machine, which hosts don't do here: it would be emulated on an emulated processor. */
const leftOut = ["qemu-system-x86", "ovmf"];

/**
 * Makes the disk: packages are installed in a builder of the product's, and the product writes the disk.
 * @param folder An existing folder.
 * @returns the disk's path.
 */
export async function makeHostDisk(folder: string, distribution: string, progress: (line: string) => void) {
  const tools = debianTools.filter(({ name, only }) => !only && !leftOut.includes(name)).map(({ name }) => name);
  const host = await installed(await cachedBase(distribution), [...tools, ...packages[distribution]], progress);
  try {
    const docker = await packedDocker(folder, progress);
    progress("copying the checkout and base images");
    return await inViewOf(host, async (view) => {
      await besideView(view, ["bash", "-euc", await fillScript(view.path, docker, distribution)]);
      const directory = join(folder, distribution);
      const options = { view, directory, name: distribution, identity: distribution, size: 10 * gibibyte };
      await assembleImage({ ...options, formats: ["raw"] }, progress);
      return join(directory, "disk.raw");
    });
  } finally {
    await machines.removeMachine(host);
  }
}

/** tar keeps everything that a root has. */
const everything = ["--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner"];

/** Archives of the root of a Debian 12 with Docker, and of its busybox. */
interface PackedDocker {
  root: string;
  busybox: string;
}

async function packedDocker(folder: string, progress: (line: string) => void): Promise<PackedDocker> {
  const docker = await installed(await cachedBase("debian12"), ["docker.io", "busybox-static"], progress);
  const packed = { root: join(folder, "docker.tar"), busybox: join(folder, "busybox.tar") };
  try {
    await inViewOf(docker, async (view) => {
      await besideView(view, ["tar", ...everything, "--create", `--file=${packed.root}`, "-C", view.path, "."]);
      await besideView(view, ["tar", "--create", `--file=${packed.busybox}`, "-C", join(view.path, "bin"), "busybox"]);
    });
  } finally {
    await machines.removeMachine(docker);
  }
  return packed;
}

async function inViewOf<T>(machine: string, work: (view: RootView) => Promise<T>): Promise<T> {
  const view = await machines.rootView(machine);
  try {
    return await work(view);
  } finally {
    await view.dispose();
  }
}

/** A stopped builder with packages; its name. */
async function installed(base: string, names: string[], progress: (line: string) => void): Promise<string> {
  const { spec, privateKey } = builderSpec(base, 3600);
  try {
    const machine = await machines.createMachine(spec, progress);
    progress(`installing ${names.join(" ")}`);
    const install = `apt-get install --yes --no-install-recommends ${names.join(" ")}`;
    await ssh(
      machine,
      privateKey,
      `sudo sh -ec 'apt-get update; DEBIAN_FRONTEND=noninteractive ${install}; apt-get clean' 2>&1`,
    );
    await machines.stopMachine(spec.name);
    return spec.name;
  } catch (error) {
    await machines.removeMachine(spec.name);
    throw error;
  }
}

/** Fills the host's root, which is mounted where the script runs. */
async function fillScript(root: string, docker: PackedDocker, distribution: string): Promise<string> {
  const base = dirname(await cachedBase("debian12"));
  const cli = findCli(process.env);
  if (cli === undefined) throw new Error("there is no Pulumi CLI");
  const residue = machines.builderResidue.map((path) => path.replace("~USER", "home/debian").replace(/^\//, ""));
  const cache = `${root}/root/.cache/ci-images`;
  return `
cd ${root}
rm -rf ${residue.join(" ")}
mkdir -p ${root}${onHost.checkout} ${cache}/bases
cd ${project}
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar -C ${root}${onHost.checkout} --extract
cp -a node_modules ${root}${onHost.checkout}/
cp -a ${base} ${cache}/bases/
chmod 0700 ${cache} ${cache}/bases
install -D ${cli} ${root}/root/.pulumi/versions/${pulumiVersion}/bin/pulumi
${packages[distribution].includes("nodejs") ? "" : `cp -aL ${process.execPath} ${root}/usr/local/bin/node`}
mkdir ${root}${onHost.dockerBase}
tar ${everything.join(" ")} --extract --file=${docker.root} -C ${root}${onHost.dockerBase}
# It would only slow every boot down.
chroot ${root}${onHost.dockerBase} systemctl --quiet disable docker.service docker.socket containerd.service
cp ${docker.busybox} ${root}${onHost.dockerBase}/busybox.tar
`;
}
