// How a finished disk is booted in QEMU: which accelerator works here, and the command line.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { doorPort } from "../../../../provision/builder/door.ts";

/** What runs the guest's instructions: the processor itself, or QEMU's translator (about ten times slower). */
export type Accelerator = "kvm" | "tcg";

/** What firmware a machine starts with. */
export type Firmware = "uefi" | "bios";

/** UEFI firmware without Secure Boot, as Debian's ovmf package has it: the code, and its empty settings. */
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

/** Milliseconds the firmware gets until it speaks: under KVM it needs one or two seconds. */
const probeTime = 30_000;

/**
 * Which accelerator works here. /dev/kvm may exist and still not work: without rights, or nested, where some kernels create a
 * virtual CPU and then fail on its first unusual instruction. So UEFI's firmware, without a disk, is run under it until it speaks.
 * The answer is kept for the life of this process.
 */
export function accelerator(): Promise<Accelerator> {
  probed ??= probeAccelerator();
  return probed;
}

/** As {@link accelerator}, without an earlier answer. */
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

function probeCommand(variables: string): string[] {
  return [
    "qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35", ...accelerate("kvm"), "-m", "64"],
    ...flash(escape(variables)),
    ...["-serial", "stdio", "-monitor", "none"],
  ];
}

/** Whether the machine writes to its console before it ends, or KVM gives it up, or the time is up. */
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
    // QEMU does not end then: it holds the machine still.
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

/** What `qemuCommand` needs to know. */
export interface QemuOptions {
  /** The machine's folder, made ready by `prepareVirtualMachine`. */
  directory: string;
  firmware: Firmware;
  /** MiB of memory. */
  memory: number;
  cpus: number;
  /** The loopback address of this machine on which the guest's SSH answers, port 22 and the bake's own: `127.77.0.5`. */
  address: string;
  accelerator: Accelerator;
  /** Lets the guest out to the network. Default false: a finished image must come up without; and QEMU's user network would also let it reach what listens on this machine's loopback. */
  outbound?: boolean;
}

/**
 * The command that runs the machine until it powers off. It stays in the foreground, writes the serial console to
 * `console.log` in the machine's folder, and obeys QMP on `monitor.socket` there.
 */
export function qemuCommand(options: QemuOptions): string[] {
  const { firmware, memory, cpus, address, accelerator: accelerated } = options;
  const file = (name: keyof typeof virtualMachineFiles): string =>
    escape(join(options.directory, virtualMachineFiles[name]));
  const restrict = options.outbound ? "off" : "on";
  const forwards = [22, doorPort].map((port) => `hostfwd=tcp:${address}:${port}-:${port}`).join(",");
  return [
    "qemu-system-x86_64",
    // Nothing that isn't named: no floppy, no screen, no sound, no network card's boot code.
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35,vmport=off,hpet=off", ...accelerate(accelerated)],
    ...["-smp", `cpus=${cpus}`, "-m", String(memory)],
    ...(firmware === "uefi" ? flash(file("variables")) : []),
    // The overlay is thrown away: nothing needs to survive a crash of this machine.
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

/**
 * Under TCG the model has a name (`max` aborts on some machines): Westmere has what every distribution up to x86-64-v2
 * asks for, and the wider vectors of newer models would only be slower to translate. Family 6 model 54 is an Atom that
 * executes in order: kernels guard it neither against Meltdown nor Spectre, and those guards (page table isolation,
 * retpolines) are what QEMU translates worst, while it doesn't speculate anyway. Measured: a third less processor time
 * until cloud-init is done.
 */
function accelerate(accelerated: Accelerator): string[] {
  return accelerated === "kvm"
    ? ["-accel", "kvm", "-cpu", "host"]
    : ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Westmere,+rdrand,model=54,stepping=10"];
}

/** QEMU's options take a comma in a value twice. */
function escape(value: string): string {
  return value.replaceAll(",", ",,");
}
