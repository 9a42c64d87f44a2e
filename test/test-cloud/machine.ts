// A machine of the test cloud: a container like those of stack `local`, but set up like a cloud's machine. Its own
// cloud-init reads user data and meta-data, nothing waits for it, and its root is not modified from outside.
import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { prepareContainer, containerSupervision } from "../../components/local/provider/machine/container.ts";
import { removeControlGroup } from "../../components/local/provider/machine/control-group.ts";
import { addressesFor } from "../../components/local/provider/machine/network.ts";
import type { Overlay } from "../../components/local/provider/overlay.ts";
import {
  findSupervisor,
  killSupervisor,
  readStatus,
  startSupervisor,
  stopSupervisor,
  type Address,
} from "../../components/local/provider/machine/supervisor.ts";
import { until } from "./until.ts";

/** A root file system as read-only folders, the topmost first. */
export type Layers = readonly string[];

/** What a machine gets at its creation. */
export interface Birth {
  layers: Layers;
  /** cloud-init's user data. */
  userData: string;
  /** cloud-init's meta-data: `public-keys`, ... */
  metaData: Record<string, unknown>;
  /** The cloud's own data for cloud-init. User data take precedence. */
  vendorData?: string;
  /** The path of its network namespace; this computer's by default. */
  network?: string;
}

/** A machine's state. `ended` means that it powered off, was stopped or crashed. */
export type MachineState = "running" | "ended";

/** A machine's maximum lifetime in milliseconds, so that a killed test does not leave it running for long. */
const lifetime = 15 * 60_000;

/** One machine. All its files are in its folder, and it runs as long as the supervisor for this folder. */
export class TestMachine {
  private addresses: Address[];
  private moves = 0;

  private constructor(
    /** The machine's folder. */
    readonly directory: string,
    private readonly name: string,
    private readonly layers: Layers,
    private readonly network: string | undefined,
  ) {
    // On a cloud, machines answer at port 22.
    this.addresses = addressesFor(name).filter(({ port }) => port === 22);
  }

  /** The loopback address of its SSH server, port 22. Stays the same after a restart, unless `move` was called. */
  get address(): string {
    return this.addresses[0].host;
  }

  /**
   * Creates and starts a machine.
   * @param directory An empty or missing folder.
   * @param name A unique name, which determines its address.
   */
  static async create(directory: string, name: string, birth: Birth): Promise<TestMachine> {
    const { layers, userData, metaData, vendorData, network } = birth;
    const machine = new TestMachine(directory, name, layers, network);
    const { work, path, upper } = machine.overlay;
    for (const folder of [work, path, upper, machine.seed]) await mkdir(folder, { recursive: true, mode: 0o700 });
    // This folder's mode is the mode of the guest's `/`.
    await chmod(upper, (await stat(layers[0])).mode & 0o7777);
    const files = {
      "user-data": userData,
      ...(vendorData !== undefined && { "vendor-data": vendorData }),
      "meta-data": JSON.stringify({ "instance-id": name, "local-hostname": name, ...metaData }),
      // The network is already configured.
      "network-config": JSON.stringify({ config: "disabled" }),
    };
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(machine.seed, file), content, { mode: 0o600 });
    }
    await machine.start();
    return machine;
  }

  /** Gives it another address at the next start, for clouds on which only running machines have an address. */
  move(): void {
    this.moves += 1;
    this.addresses = addressesFor(`${this.name} ${this.moves}`).filter(({ port }) => port === 22);
  }

  /** Starts it. It must not be running. */
  async start(): Promise<void> {
    await prepareContainer(this.overlay);
    const guest = containerSupervision(this.directory, this.name, this.overlay, this.seed);
    // The user-mode network is the process that listens at the machine's address.
    if (this.network !== undefined) {
      guest.networkCommand = ["nsenter", `--net=${this.network}`, "--", ...guest.networkCommand];
    }
    await startSupervisor(this.directory, {
      deadline: new Date(Date.now() + lifetime).toISOString(),
      addresses: this.addresses,
      powerOffSeconds: 30,
      guest,
    });
    await until(`${this.name} runs`, 20, async () => {
      const status = await readStatus(this.directory);
      if (status?.phase === "ended") throw new Error(`${this.name} did not start: ${status.detail ?? status.reason}`);
      if (status?.phase !== "running") return false;
      this.addresses = [{ host: status.host, port: status.port }];
      return true;
    });
  }

  async state(): Promise<MachineState> {
    return (await findSupervisor(this.directory)) ? "running" : "ended";
  }

  /** Powers it off and waits until it is down. */
  async stop(): Promise<void> {
    const supervisor = await findSupervisor(this.directory);
    if (supervisor) await stopSupervisor(supervisor, 40);
  }

  /** Its console output. */
  async console(): Promise<string> {
    return await readFile(join(this.directory, "console.log"), "utf8");
  }

  /**
   * Copies the changes of a stopped machine.
   * @param directory The copy's folder, which must not exist.
   * @returns the layers of a root like the machine's.
   */
  async commit(directory: string): Promise<Layers> {
    if ((await this.state()) === "running") throw new Error(`${this.name} runs; its root can't be copied`);
    // An overlay marks removed files with device files and extended attributes, so keep these.
    await execa("cp", ["--archive", "--reflink=auto", "--no-target-directory", "--", this.overlay.upper, directory]);
    return [directory, ...this.layers];
  }

  /** Kills it and removes its folder. */
  async remove(): Promise<void> {
    const supervisor = await findSupervisor(this.directory);
    if (supervisor) await killSupervisor(supervisor);
    await removeControlGroup(this.directory);
    await rm(this.directory, { recursive: true, force: true });
  }

  private get overlay(): Overlay {
    const [upper, work, path] = ["upper", "work", "root"].map((part) => join(this.directory, part));
    return { lower: this.layers, upper, work, path };
  }

  private get seed(): string {
    return join(this.directory, "seed");
  }
}
