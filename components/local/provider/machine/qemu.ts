// Boots a finished disk in QEMU: finds the accelerator that works here, and builds the command line.
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../../../../common/user-error.ts";
import { doorPort } from "../../../../provision/builder/door.ts";

/** How guest instructions run: on the processor (KVM), or through QEMU's translator (TCG), about ten times slower. */
export type Accelerator = "kvm" | "tcg";

/** The firmware that a machine boots with. */
export type Firmware = "uefi" | "bios";

/** UEFI firmware without Secure Boot, from Debian's package ovmf: the code, and a template for its variables. */
export const uefiFirmware = {
  code: "/usr/share/OVMF/OVMF_CODE_4M.fd",
  variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
};

/** Names of the files in a virtual machine's folder. */
export const virtualMachineFiles = {
  overlay: "overlay.qcow2",
  seed: "seed.img",
  configDrive: "config-drive.img",
  variables: "efi-variables.fd",
  console: "console.log",
  monitor: "monitor.socket",
  door: "door.pub",
} as const;

let probed: Promise<Accelerator> | undefined;

/** Milliseconds the firmware gets for its first output: under KVM it needs one or two seconds. */
const probeTime = 30_000;

/**
 * The accelerator that works here. /dev/kvm may exist and still not work: permission is missing, or it is nested and
 * fails on the first unusual instruction. So this boots the UEFI firmware, without a disk, and waits for its first
 * output. The result is cached for the life of this process.
 */
export function accelerator(): Promise<Accelerator> {
  probed ??= probeAccelerator();
  return probed;
}

/** Like {@link accelerator}, but not cached. */
export async function probeAccelerator(): Promise<Accelerator> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-kvm-"));
  try {
    const variables = join(folder, virtualMachineFiles.variables);
    await copyFile(uefiFirmware.variables, variables);
    return (await speaks(probeCommand(variables), folder)) ? "kvm" : "tcg";
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws UserError if QEMU or its firmware is not installed. */
export async function assertEmulator(): Promise<void> {
  const missing: string[] = [];
  if (!existsSync(uefiFirmware.variables)) missing.push("ovmf");
  await askVersion().catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    missing.push("qemu-system-x86");
  });
  if (missing.length === 0) return;
  throw new UserError({
    where: "verification",
    found: `QEMU can't boot the image: ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not installed`,
    cure: "install what is missing (`npm start` does), or set `ci-images:verify: false`",
  });
}

let asked: Promise<number> | undefined;

/** The major version of this computer's QEMU. The result is cached for the life of this process. */
export function qemuVersion(): Promise<number> {
  asked ??= askVersion();
  return asked;
}

async function askVersion(): Promise<number> {
  const { stdout } = await execa("qemu-system-x86_64", ["--version"]);
  const [, major] = /version (\d+)\./.exec(stdout) ?? [];
  if (!major) throw new Error(`qemu-system-x86_64 --version prints no version: ${stdout.slice(0, 200)}`);
  return Number(major);
}

function probeCommand(variables: string): string[] {
  return [
    "qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35", ...onProcessor, "-m", "64"],
    ...flash(inOption(variables)),
    ...["-serial", "stdio", "-monitor", "none"],
  ];
}

/** Whether the machine writes to its console before it ends, before KVM fails, and in time. */
async function speaks([program = "", ...words]: string[], cwd: string): Promise<boolean> {
  const machine = execa(program, words, {
    cwd,
    stdin: "ignore",
    buffer: false,
    reject: false,
    timeout: probeTime,
    killSignal: "SIGKILL",
  });
  const spoke = new Promise<boolean>((resolve) => {
    machine.stdout.once("data", () => resolve(true));
    // After an error QEMU does not end: it pauses the machine.
    machine.stderr.once("data", () => resolve(false));
    void machine.then(() => resolve(false));
  });
  try {
    return await spoke;
  } finally {
    machine.kill();
    await machine;
  }
}

/**
 * How many virtual CPUs a machine gets: two if this computer has at least two. Emulated ones are threads, and a busy
 * computer may stop one that the other waits for: there it gets one. Measured on two cores without KVM: the second
 * one saves a quarter of the boot's time.
 * @param load Processes that want to run, on average of the last minute; a bake by itself is about as many as cores.
 */
export function virtualCpus(accelerated: Accelerator, cores = availableParallelism(), load = loadavg()[0]): number {
  const isBusy = accelerated === "tcg" && load >= 2 * cores;
  return cores < 2 || isBusy ? 1 : 2;
}

/** Options of `qemuCommand`. */
export interface QemuOptions {
  /** The machine's folder, prepared by `prepareVirtualMachine`. */
  directory: string;
  firmware: Firmware;
  /** MiB of memory. */
  memory: number;
  cpus: number;
  /** The loopback address that leads to the guest's SSH, on port 22 and on the bake's own port: `127.77.0.5`. */
  address: string;
  accelerator: Accelerator;
  /** QEMU's major version, from `qemuVersion`. */
  version: number;
  /**
   * Whether the guest can reach the network. Default false: a finished image must boot without one, and QEMU's user
   * network would also expose services on this computer's loopback.
   */
  outbound?: boolean;
}

/**
 * The command that runs the machine in the foreground until it powers off. It writes the serial console to
 * `console.log` in the machine's folder, and listens for QMP on `monitor.socket` there.
 */
export function qemuCommand(options: QemuOptions): string[] {
  const { firmware, memory, cpus, address, accelerator: accelerated, version } = options;
  const file = (name: keyof typeof virtualMachineFiles): string =>
    inOption(join(options.directory, virtualMachineFiles[name]));
  const restrict = options.outbound ? "off" : "on";
  const forwards = [22, doorPort].map((port) => `hostfwd=tcp:${address}:${port}-:${port}`).join(",");
  return [
    "qemu-system-x86_64",
    // No default devices: no floppy, screen, sound, or network boot ROM.
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35,vmport=off,hpet=off", ...(accelerated === "kvm" ? onProcessor : emulated(version))],
    ...["-smp", `cpus=${cpus}`, "-m", String(memory)],
    ...(firmware === "uefi" ? flash(file("variables")) : []),
    // The overlay is discarded, so it need not survive a crash of this computer.
    ...["-drive", `if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap,file=${file("overlay")}`],
    ...["-device", "virtio-blk-pci,drive=disk,bootindex=0"],
    ...["-drive", `if=none,id=seed,format=raw,readonly=on,file=${file("seed")}`],
    ...["-device", "virtio-blk-pci,drive=seed"],
    ...["-drive", `if=none,id=config,format=raw,readonly=on,file=${file("configDrive")}`],
    ...["-device", "virtio-blk-pci,drive=config"],
    ...["-netdev", `user,id=network,restrict=${restrict},${forwards}`],
    ...["-device", "virtio-net-pci,netdev=network,romfile="],
    ...["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"],
    ...["-chardev", `file,id=console,path=${file("console")}`, "-serial", "chardev:console"],
    ...[
      "-chardev",
      `socket,id=monitor,path=${file("monitor")},server=on,wait=off`,
      "-mon",
      "chardev=monitor,mode=control",
    ],
  ];
}

function flash(variables: string): string[] {
  return [
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${uefiFirmware.code}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${variables}`],
  ];
}

/** Accelerator and CPU options for KVM. */
const onProcessor = ["-accel", "kvm", "-cpu", "host"];

/**
 * Accelerator and CPU options for TCG. It needs a named CPU model, because `max` aborts on some computers. Westmere has
 * what every distribution up to x86-64-v2 requires; the wider vectors of newer models translate slowly. Model 54 of
 * family 6 is an in-order Atom, for which kernels turn off their Meltdown and Spectre mitigations: QEMU translates
 * those worst, and never speculates. Measured: a third less CPU time until cloud-init is done.
 *
 * Before version 8.0, QEMU computes the flags after cmpxchg16b from stale state (`gen_cmpxchg16b` in its
 * target/i386/tcg/translate.c), and the kernel 6.12 of Debian 12's backports panics. Such a machine doesn't get that
 * instruction, which makes it x86-64-v1.
 */
function emulated(version: number): string[] {
  const features = ["+rdrand", ...(version < 8 ? ["-cx16"] : [])];
  return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", `Westmere,${features.join(",")},model=54,stepping=10`];
}

/** Doubles the commas in a value, as the options of QEMU's programs require. */
export function inOption(value: string): string {
  return value.replaceAll(",", ",,");
}
