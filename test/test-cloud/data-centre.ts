// The machines and images behind every test cloud: containers, and copies of their root file systems. Each cloud's API
// controls one data centre.
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { cachedBase } from "../cached-base.ts";
import { TestMachine, type Birth, type Layers } from "./machine.ts";

/** Machines and images by the cloud's ids. */
export class DataCentre {
  private readonly machines = new Map<string, { machine: TestMachine; layers: Layers }>();
  private readonly images = new Map<string, Layers>();

  private constructor(
    /** A private folder. */
    readonly folder: string,
    private readonly base: Layers,
    private readonly network: string | undefined,
  ) {}

  /**
   * Opens an empty data centre. Its base images are the Debian 12 from the cache of stack `local`.
   * @param network The path of the machines' network namespace; this computer's by default.
   */
  static async open(network?: string): Promise<DataCentre> {
    return new DataCentre(await mkdtemp(join(tmpdir(), "ci-cloud-")), [await cachedBase()], network);
  }

  /**
   * Adds a base image like a distribution's.
   * @param loginUser The user that cloud-init creates.
   */
  async addBase(image: string, loginUser: string): Promise<void> {
    const folder = join(this.folder, "bases", loginUser);
    const settings = join(folder, "etc", "cloud", "cloud.cfg.d");
    await mkdir(settings, { recursive: true });
    const user = { name: loginUser, lock_passwd: true, sudo: ["ALL=(ALL) NOPASSWD:ALL"], shell: "/bin/bash" };
    await writeFile(
      join(settings, "91-test-cloud.cfg"),
      `${JSON.stringify({ system_info: { default_user: user } })}\n`,
    );
    this.images.set(image, [folder, ...this.base]);
  }

  /** Adds a file to the base images with this login user. */
  async put(loginUser: string, path: string, content: string, mode = 0o644): Promise<void> {
    const file = join(this.folder, "bases", loginUser, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode });
  }

  hasImage(image: string): boolean {
    return this.images.has(image);
  }

  /** Starts a machine from an image. */
  async boot(id: string, image: string, birth: Omit<Birth, "layers" | "network">): Promise<TestMachine> {
    const layers = this.images.get(image);
    if (!layers) throw new Error(`there is no image ${image}`);
    const machine = await TestMachine.create(join(this.folder, "machines", id), id, {
      ...birth,
      layers,
      network: this.network,
    });
    this.machines.set(id, { machine, layers });
    return machine;
  }

  machine(id: string): TestMachine | undefined {
    return this.machines.get(id)?.machine;
  }

  /** Kills a machine and deletes its root. No-op if it does not exist. */
  async remove(id: string): Promise<void> {
    const found = this.machines.get(id);
    if (!found) return;
    await found.machine.remove();
    this.machines.delete(id);
    await this.dropUnused(found.layers);
  }

  /** Makes an image of a stopped machine. */
  async commit(id: string, image: string): Promise<void> {
    const machine = this.machine(id);
    if (!machine) throw new Error(`there is no machine ${id}`);
    await mkdir(join(this.folder, "images"), { recursive: true });
    this.images.set(image, await machine.commit(join(this.folder, "images", image)));
  }

  /** Makes an image of a whole disk, raw or qcow2. Machines get the files of its last partition. */
  async importDisk(image: string, disk: string): Promise<void> {
    await mkdir(join(this.folder, "images"), { recursive: true });
    const [raw, root, mounted] = ["raw", "root", "mounted"].map((end) => join(this.folder, `import-${image}.${end}`));
    await execa("qemu-img", ["convert", "-O", "raw", disk, raw]);
    const { stdout } = await execa("sfdisk", ["--json", raw]);
    type Table = { partitiontable: { partitions: { start: number; size: number }[] } };
    const { start, size } = (JSON.parse(stdout) as Table).partitiontable.partitions.at(-1)!;
    await mkdir(mounted);
    const range = `loop,ro,noload,offset=${start * 512},sizelimit=${size * 512}`;
    await execa("mount", ["-o", range, raw, mounted]);
    try {
      await execa("cp", ["--archive", "--no-target-directory", "--", mounted, root]);
    } finally {
      await execa("umount", [mounted]);
      await rm(mounted, { recursive: true });
      await rm(raw);
    }
    // The container does not have the disk's devices.
    await writeFile(join(root, "etc/fstab"), "");
    const layer = join(this.folder, "images", image);
    await rename(root, layer);
    this.images.set(image, [layer]);
  }

  copyImage(from: string, to: string): void {
    const layers = this.images.get(from);
    if (!layers) throw new Error(`there is no image ${from}`);
    this.images.set(to, layers);
  }

  /** Deletes an image. Its machines and copies are not affected. */
  async removeImage(image: string): Promise<void> {
    const layers = this.images.get(image);
    if (!layers) return;
    this.images.delete(image);
    await this.dropUnused(layers);
  }

  /** Ids of all machines, running or not. */
  get machineIds(): string[] {
    return [...this.machines.keys()];
  }

  /** Deletes everything. */
  async close(): Promise<void> {
    for (const id of this.machineIds) await this.remove(id);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Entries of the images folder, for tests of leftovers. */
  async imageFolders(): Promise<string[]> {
    return await readdir(join(this.folder, "images")).catch(() => []);
  }

  private async dropUnused(layers: Layers): Promise<void> {
    const used = new Set([...this.images.values(), ...[...this.machines.values()].map((each) => each.layers)].flat());
    const own = layers.filter((layer) => layer.startsWith(join(this.folder, "images")) && !used.has(layer));
    for (const layer of own) await rm(layer, { recursive: true, force: true });
  }
}
