// Prepares a throw-away virtual machine over a finished disk, and reads its host key.
import { randomUUID } from "node:crypto";
import { copyFile, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../../../common/ssh-key-pair.ts";
import { doorBootScript, doorFolder, type Door } from "../../../../provision/builder/door.ts";
import { userDataOf } from "../../../../provision/builder/user-data.ts";
import { keptPathsFile, madePathsFile } from "../../../../provision/seal/kept.ts";
import { uefiFirmware, virtualMachineFiles } from "./qemu.ts";

/** Options of `prepareVirtualMachine`. */
export interface VirtualMachineOptions {
  /** The absolute path of the finished disk: `.qcow2`, `.raw`, `.vhd` or `.vmdk`. It is never written to. */
  disk: string;
  /** One authorized_keys line, for the image's login user. */
  authorizedKey: string;
  /** The image's login user. */
  loginUser: string;
  signal?: AbortSignal;
}

/** How much larger the machine's disk is than the image, for qemu-img: shows whether the root grows at first boot. */
const growth = "+1G";

/**
 * Makes the folder of a virtual machine: an overlay over the disk, the UEFI variables, and a seed for cloud-init. The
 * login key is in the meta-data, as in a cloud, for the image's default user. Host keys are not: the machine must make
 * its own. The bake's own way in has a separate host key, whose public half is saved in the folder.
 * @param directory Made if missing; files of an earlier machine are replaced.
 */
export async function prepareVirtualMachine(directory: string, options: VirtualMachineOptions): Promise<void> {
  const { disk, signal } = options;
  const format = { ".raw": "raw", ".vhd": "vpc", ".vmdk": "vmdk" }[extname(disk)] ?? "qcow2";
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = (name: keyof typeof virtualMachineFiles): string => join(directory, virtualMachineFiles[name]);
  await Promise.all(Object.values(virtualMachineFiles).map((name) => rm(join(directory, name), { force: true })));
  await execa("qemu-img", ["create", "-q", "-f", "qcow2", "-b", disk, "-F", format, file("overlay")], {
    cancelSignal: signal,
  });
  await execa("qemu-img", ["resize", "-q", file("overlay"), growth], { cancelSignal: signal });
  await copyFile(uefiFirmware.variables, file("variables"));
  await writeFile(file("console"), "");
  const { authorizedKey, loginUser } = options;
  const key = makeSshKeyPair("the bake's own way in");
  const door = { hostPrivateKey: key.privateKey, authorizedKey, loginUser };
  await writeFile(file("door"), `${key.publicKey}\n`);
  const instance = randomUUID();
  await writeSeed(file("seed"), "CIDATA", seedFiles(instance, authorizedKey, door), signal);
  await writeSeed(file("configDrive"), "CONFIG-2", configDriveFiles(instance, authorizedKey, door), signal);
}

const hostName = "image-under-test";

/** The files of a NoCloud seed, by name. JSON is valid YAML, and avoids questions of quoting. */
export function seedFiles(instance: string, authorizedKey: string, door: Door): Record<string, string> {
  return {
    "meta-data": `${JSON.stringify({ "instance-id": instance, "local-hostname": hostName, "public-keys": [authorizedKey] })}\n`,
    "user-data": userData(door),
    "network-config": `${JSON.stringify({ version: 2, ethernets: { all: { match: { name: "e*" }, dhcp4: true } } })}\n`,
  };
}

/** The same as an OpenStack config drive, for images whose cloud-init reads only that. */
export function configDriveFiles(instance: string, authorizedKey: string, door: Door): Record<string, string> {
  const metadata = { uuid: instance, hostname: hostName, public_keys: { trial: authorizedKey } };
  return {
    "openstack/latest/meta_data.json": `${JSON.stringify(metadata)}\n`,
    "openstack/latest/user_data": userData(door),
  };
}

const nameItself = `grep -qsxF /etc/hosts ${keptPathsFile} ${madePathsFile} || grep -qsw ${hostName} /etc/hosts || echo 127.0.1.1 ${hostName} >>/etc/hosts`;

/** What the machine writes to its console once the bake's own way in is there. */
const doorMark = "ci-images: this machine has the bake's own way in";

/** Whether the machine's console says that the bake's own way in is there. */
export async function saysItHasDoor(directory: string): Promise<boolean> {
  return (await readFile(join(directory, virtualMachineFiles.console), "latin1")).includes(doorMark);
}

function userData(door: Door): string {
  // Only one kind of host key: an RSA key takes many seconds on emulated hardware, and nothing uses it.
  const settings = { ssh_genkeytypes: ["ed25519"] };
  // Without a network the machine can't resolve its own name, and every sudo would wait for a timeout. A recipe's own
  // /etc/hosts must not change, because its test would fail.
  const sayIt = `if [ -e ${doorFolder}/version ]; then echo "${doorMark}" >/dev/console || true; fi`;
  return userDataOf(settings, `${nameItself}\n${doorBootScript(door)}${sayIt}\n`);
}

/** Writes a small FAT file system with the label that cloud-init looks for. */
async function writeSeed(
  image: string,
  label: string,
  files: Record<string, string>,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(image, "w", 0o600);
  await file.truncate(1440 * 1024);
  await file.close();
  await execa("mformat", ["-i", image, "-f", "1440", "-v", label, "::"], { cancelSignal: signal });
  const folders = new Set(
    Object.keys(files).flatMap((name) =>
      name
        .split("/")
        .slice(0, -1)
        .map((_, depth, all) => all.slice(0, depth + 1).join("/")),
    ),
  );
  for (const folder of folders) await execa("mmd", ["-i", image, `::/${folder}`], { cancelSignal: signal });
  for (const [name, content] of Object.entries(files)) {
    await execa("mcopy", ["-i", image, "-", `::/${name}`], { input: content, cancelSignal: signal });
  }
}

/**
 * The machine's own ed25519 host key, as printed by cloud-init on the console. The console is not the network, so a
 * connection can be pinned to this key without trusting the first answer.
 * @param path The console's log.
 * @returns `ssh-ed25519 AAAA...`, or undefined while it hasn't been printed.
 */
export async function hostKeyFromConsole(path: string): Promise<string | undefined> {
  return hostKeyIn(await readFile(path, "latin1"));
}

/** The host key of the bake's own way into the machine. */
export async function doorKeyOf(directory: string): Promise<string> {
  return (await readFile(join(directory, virtualMachineFiles.door), "utf8")).trim();
}

/** Like `hostKeyFromConsole`, from the log's text. Only a complete block counts: a line may still be half-written. */
export function hostKeyIn(log: string): string | undefined {
  const block = /-----BEGIN SSH HOST KEY KEYS-----([\s\S]*?)-----END SSH HOST KEY KEYS-----/.exec(log)?.[1];
  // Kernel messages and prefixes may precede the key on its line.
  return block && /ssh-ed25519 AAAA[A-Za-z0-9+/]+={0,2}/.exec(block)?.[0];
}
