// Builders and their layers in a private cache, for tests.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { keepLayer } from "../../../components/local/provider/layers/keep-layer.ts";
import { layerStateFile, type LayerState } from "../../../components/local/provider/layers/layer-state.ts";
import { layerFolder, type LayerPlace } from "../../../components/local/provider/layers/layer-store.ts";
import * as machines from "../../../components/local/provider/machine/machines.ts";
import { readState, writeState } from "../../../components/local/provider/state-file.ts";
import { cachedBase } from "../../cached-base.ts";
import { builderSpec, emptyCache, ssh } from "./support.ts";

/** Bytes of the builders' disks. */
const size = 2 * 2 ** 30;

/** Makes builders and keeps layers of them. */
export class LayerBench {
  private readonly made: string[] = [];

  private constructor(
    private readonly cache: Awaited<ReturnType<typeof emptyCache>>,
    /** Base, disk size and login user, which all its builders share. */
    readonly place: LayerPlace,
  ) {}

  /** Opens a bench with an empty cache. */
  static async open(): Promise<LayerBench> {
    const place = { base: await cachedBase(), size, loginUser: "debian" };
    return new LayerBench(await emptyCache(), place);
  }

  async close(): Promise<void> {
    for (const name of this.made.splice(0)) await machines.removeMachine(name);
    delete process.env.CI_IMAGES_LAYERS;
    await this.cache.restore();
  }

  /** The folder of all layers. */
  get layers(): string {
    return join(this.cache.path, "layers");
  }

  /** Starts a builder. @param modules Prefix hashes of the modules that it will run, to find a layer by. */
  async newBuilder(modules: string[] = []) {
    const { spec, privateKey } = builderSpec(this.place.base);
    assert.ok(spec.guest.kind === "container");
    this.made.push(spec.name);
    const said: string[] = [];
    const guest = { ...spec.guest, size, modules };
    const machine = await machines.createMachine({ ...spec, guest }, (line) => said.push(line));
    const run = (script: string) => ssh(machine, privateKey, `sudo bash -ec '${script.replaceAll("'", `'"'"'`)}'`);
    return { machine, said: said.join("\n"), run };
  }

  /** Pretends that the builder's modules took a minute, so that a layer pays off. */
  async age({ directory }: machines.Machine): Promise<void> {
    const file = layerStateFile(directory);
    await writeState(file, { ...(await readState<LayerState>(file))!, since: Date.now() - 60_000 });
  }

  /** Keeps a layer and waits until it is complete. @returns the progress lines. */
  async keep(machine: machines.Machine, prefix: string): Promise<string> {
    await this.age(machine);
    const said: string[] = [];
    const wanted = { machine: machine.name, prefix, modules: ["a module"] };
    await keepLayer(wanted, (line) => said.push(line), new AbortController().signal);
    await this.settled();
    assert.equal(await readFile(join(machine.directory, "layers.log"), "utf8").catch(() => ""), "");
    return said.join("\n");
  }

  /** Waits until no layer is being written. */
  async settled(): Promise<void> {
    while ((await readdir(this.layers)).some((name) => name.startsWith(".new-"))) await delay(20);
  }

  folderOf(prefix: string): Promise<string> {
    return layerFolder(this.place, prefix);
  }
}
