// A machine of the test cloud: a container as the `local` cloud has them, but born as machines of a cloud are. Its own
// cloud-init reads user data and meta-data; nobody waits for it; nothing is put into its root from outside.
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

/** A root file system: read-only trees, the topmost first. */
export type Layers = readonly string[];

/** What a machine is born with. */
export interface Birth {
  layers: Layers;
  /** cloud-init's user data, as the cloud got it. */
  userData: string;
  /** cloud-init's meta-data: `public-keys`, ... */
  metaData: Record<string, unknown>;
  /** What the cloud itself wants of cloud-init; the user data win. */
  vendorData?: string;
  /** The network namespace (a path) that its address is in; without one, this computer's. */
  network?: string;
}

/** How a machine is now. `ended` by itself, by `stop`, or by a crash. */
export type MachineState = "running" | "ended";

/** Longest life of a machine of the test cloud, so that a test that was killed leaves none for long. Milliseconds. */
const lifetime = 15 * 60_000;

/** One machine. All that belongs to it is in its folder, and it runs as long as its supervisor there does. */
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
    // Port 22, because that is where a cloud's machines are.
    this.addresses = addressesFor(name).filter(({ port }) => port === 22);
  }

  /** The address of this computer that leads to its SSH, port 22. The same after a restart, unless it was moved. */
  get address(): string {
    return this.addresses[0].host;
  }

  /**
   * Makes and starts a machine.
   * @param directory An empty or missing folder.
   * @param name Decides its address; another one for every machine.
   */
  static async create(directory: string, name: string, birth: Birth): Promise<TestMachine> {
    const { layers, userData, metaData, vendorData, network } = birth;
    const machine = new TestMachine(directory, name, layers, network);
    const { work, path, upper } = machine.overlay;
    for (const folder of [work, path, upper, machine.seed]) await mkdir(folder, { recursive: true, mode: 0o700 });
    // The guest sees this folder's mode as that of its `/`.
    await chmod(upper, (await stat(layers[0])).mode & 0o7777);
    const files = {
      "user-data": userData,
      ...(vendorData !== undefined && { "vendor-data": vendorData }),
      "meta-data": JSON.stringify({ "instance-id": name, "local-hostname": name, ...metaData }),
      // The network is there already.
      "network-config": JSON.stringify({ config: "disabled" }),
    };
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(machine.seed, file), content, { mode: 0o600 });
    }
    await machine.start();
    return machine;
  }

  /** Lets it have another address from the next start on, as clouds do that lend addresses to running machines only. */
  move(): void {
    this.moves += 1;
    this.addresses = addressesFor(`${this.name} ${this.moves}`).filter(({ port }) => port === 22);
  }

  /** Starts it; it must not be running. */
  async start(): Promise<void> {
    await prepareContainer(this.overlay);
    const guest = containerSupervision(this.directory, this.name, this.overlay, this.seed);
    // What listens at the machine's address is its user-mode network.
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

  /** Powers it off, and waits for that. */
  async stop(): Promise<void> {
    const supervisor = await findSupervisor(this.directory);
    if (supervisor) await stopSupervisor(supervisor, 40);
  }

  /** What it said on its console. */
  async console(): Promise<string> {
    return await readFile(join(this.directory, "console.log"), "utf8");
  }

  /**
   * Copies what the stopped machine has changed.
   * @param directory The copy's folder, which must not exist.
   * @returns the layers of a root that is like the machine's.
   */
  async commit(directory: string): Promise<Layers> {
    if ((await this.state()) === "running") throw new Error(`${this.name} runs; its root can't be copied`);
    // Device files and extended attributes are how an overlay tells what was removed.
    await execa("cp", ["--archive", "--reflink=auto", "--no-target-directory", "--", this.overlay.upper, directory]);
    return [directory, ...this.layers];
  }

  /** Ends it at once and removes its folder. */
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
