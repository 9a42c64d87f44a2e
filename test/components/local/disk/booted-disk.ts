// A finished disk booted in QEMU, with a root login that trusts the host key on its console.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa, type ResultPromise } from "execa";
import { addressesFor } from "../../../../components/local/provider/machine/network.ts";
import { powerDown } from "../../../../components/local/provider/machine/qemu-monitor.ts";
import {
  accelerator,
  qemuCommand,
  qemuVersion,
  virtualMachineFiles,
  type Firmware,
} from "../../../../components/local/provider/machine/qemu.ts";
import {
  hostKeyFromConsole,
  prepareVirtualMachine,
} from "../../../../components/local/provider/machine/virtual-machine.ts";
import { doorPort } from "../../../../provision/builder/door.ts";
import { isFree } from "../../../free-port.ts";

/** What a machine has. */
export interface Hardware {
  /** MiB of memory. */
  memory: number;
  cpus: number;
}

/** A running machine. */
export class BootedDisk {
  private constructor(
    private readonly directory: string,
    private readonly address: string,
    private readonly key: string,
    private readonly process: ResultPromise,
  ) {}

  /**
   * Boots a disk read-only, and waits until its host key is known.
   * @param directory A folder for the machine's files; it is created.
   */
  static async boot(
    directory: string,
    disk: string,
    firmware: Firmware,
    { memory, cpus }: Hardware = { memory: 768, cpus: 1 },
  ): Promise<BootedDisk> {
    const key = `${directory}.key`;
    await execa`ssh-keygen -q -t ed25519 -N ${""} -f ${key}`;
    const authorizedKey = (await readFile(`${key}.pub`, "utf8")).trim();
    await prepareVirtualMachine(directory, { disk, authorizedKey, loginUser: "debian" });
    const address = await freeAddress(directory);
    const [file, ...words] = qemuCommand({
      ...{ directory, firmware, memory, cpus, address, accelerator: await accelerator(), version: await qemuVersion() },
    }) as [string, ...string[]];
    const machine = new BootedDisk(directory, address, key, execa(file, words, { stdin: "ignore" }));
    try {
      await Promise.race([machine.learnHostKey(), machine.process.then(() => assert.fail("QEMU ended"))]);
    } catch (error) {
      await machine.end();
      throw error;
    }
    return machine;
  }

  /** Runs a script as root. @returns its standard output. */
  async run(script: string): Promise<string> {
    const pinned = [
      "-o",
      `UserKnownHostsFile=${this.knownHosts}`,
      "-o",
      "StrictHostKeyChecking=yes",
      "-o",
      "BatchMode=yes",
    ];
    // QEMU accepts connections for a guest that is down, and they never end by themselves.
    const patience = ["-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"];
    const options = [...pinned, ...patience];
    const login = ["-F", "none", "-i", this.key, ...options, `debian@${this.address}`, "sudo bash -s"];
    return (await execa("ssh", login, { input: script })).stdout;
  }

  /** Reboots it and waits until it accepts logins again. */
  async reboot(): Promise<void> {
    const boot = "cat /proc/sys/kernel/random/boot_id";
    const before = await this.run(boot);
    await this.run("systemctl --no-block reboot");
    for (const until = Date.now() + 300_000; ; await delay(1000)) {
      const now = await this.run(boot).catch(() => before);
      if (now !== before) return;
      if (Date.now() > until) assert.fail(`does not come back:\n${(await this.console()).slice(-3000)}`);
    }
  }

  /** Presses the power button and waits; `clean` if the machine ended by itself. @param patience As in `powerDown`. */
  async end(patience?: number): Promise<string> {
    const how = await powerDown(join(this.directory, virtualMachineFiles.monitor), patience);
    await this.process;
    return how;
  }

  /** Its console output. */
  async console(): Promise<string> {
    return await readFile(join(this.directory, virtualMachineFiles.console), "latin1");
  }

  private get knownHosts(): string {
    return join(this.directory, "known_hosts");
  }

  private async learnHostKey(): Promise<void> {
    const file = join(this.directory, virtualMachineFiles.console);
    for (const until = Date.now() + 900_000; Date.now() < until; await delay(200)) {
      const hostKey = await hostKeyFromConsole(file);
      if (hostKey !== undefined) return await writeFile(this.knownHosts, `${this.address} ${hostKey}\n`);
    }
    assert.fail(`no host key on the console:\n${(await this.console()).slice(-3000)}`);
  }
}

/** One of a machine's addresses on which nobody listens, neither for people nor for the bake. */
async function freeAddress(name: string): Promise<string> {
  for (const host of new Set(addressesFor(name).map((address) => address.host)))
    if ((await isFree(host, 22)) && (await isFree(host, doorPort))) return host;
  assert.fail(`all addresses of ${name} are taken`);
}
