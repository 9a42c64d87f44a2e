// What the test cloud's machines and images really are, whatever the cloud: containers, and copies of their roots. Each
// cloud's API is in front of one of these and decides when what is done.
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { cachedBase } from "../cached-base.ts";
import { TestMachine, type Birth, type Layers } from "./machine.ts";

/** Machines and images by the ids that a cloud gave them. */
export class DataCentre {
  private readonly machines = new Map<string, { machine: TestMachine; layers: Layers }>();
  private readonly images = new Map<string, Layers>();

  private constructor(
    /** A folder for this data centre alone. */
    readonly folder: string,
    private readonly base: Layers,
    private readonly network: string | undefined,
  ) {}

  /**
   * An empty one. Its base images are the Debian 12 that the `local` cloud has in its cache.
   * @param network The network namespace (a path) that machines' addresses are in; without one, this computer's.
   */
  static async open(network?: string): Promise<DataCentre> {
    return new DataCentre(await mkdtemp(join(tmpdir(), "ci-cloud-")), [await cachedBase()], network);
  }

  /**
   * A base image as a distribution publishes it.
   * @param loginUser The user that cloud-init makes and lets in.
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

  /** Puts a file into the base images of a login user. */
  async put(loginUser: string, path: string, content: string, mode = 0o644): Promise<void> {
    const file = join(this.folder, "bases", loginUser, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode });
  }

  hasImage(image: string): boolean {
    return this.images.has(image);
  }

  /** Starts a machine with an image's root. */
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

  /** Ends a machine at once and drops its root; does nothing when there is none. */
  async remove(id: string): Promise<void> {
    const found = this.machines.get(id);
    if (!found) return;
    await found.machine.remove();
    this.machines.delete(id);
    await this.dropUnused(found.layers);
  }

  /** Makes an image of a machine that has ended. */
  async commit(id: string, image: string): Promise<void> {
    const machine = this.machine(id);
    if (!machine) throw new Error(`there is no machine ${id}`);
    await mkdir(join(this.folder, "images"), { recursive: true });
    this.images.set(image, await machine.commit(join(this.folder, "images", image)));
  }

  /** Takes a whole disk, raw or qcow2, for an image: machines get the files of its last partition. */
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
    // A container has none of the disk's devices.
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

  /** Drops an image; machines that were made from it, and copies, go on. */
  async removeImage(image: string): Promise<void> {
    const layers = this.images.get(image);
    if (!layers) return;
    this.images.delete(image);
    await this.dropUnused(layers);
  }

  /** Ids of the machines there are, running or not. */
  get machineIds(): string[] {
    return [...this.machines.keys()];
  }

  /** Ends everything and removes the folder. */
  async close(): Promise<void> {
    for (const id of this.machineIds) await this.remove(id);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What lies in the folder for images; for tests of leftovers. */
  async imageFolders(): Promise<string[]> {
    return await readdir(join(this.folder, "images")).catch(() => []);
  }

  private async dropUnused(layers: Layers): Promise<void> {
    const used = new Set([...this.images.values(), ...[...this.machines.values()].map((each) => each.layers)].flat());
    const own = layers.filter((layer) => layer.startsWith(join(this.folder, "images")) && !used.has(layer));
    for (const layer of own) await rm(layer, { recursive: true, force: true });
  }
}
