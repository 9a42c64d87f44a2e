// Layers that are damaged, too large, interrupted or written twice.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { keepLayer } from "../../../components/local/provider/layers/keep-layer.ts";
import { countFromLayer, findLayer, listLayers } from "../../../components/local/provider/layers/layer-store.ts";
import { makeRoom } from "../../../components/local/provider/layers/layer-tool.mjs";
import * as machines from "../../../components/local/provider/machine/machines.ts";
import { LayerBench } from "./layer-bench.ts";

describe("layers of a builder", function () {
  this.timeout(180_000);
  let bench: LayerBench;

  beforeEach(async () => {
    bench = await LayerBench.open();
  });
  afterEach(() => bench.close());

  it("are skipped for a shorter one if a file is changed, missing or new, or if the base was rebuilt", async () => {
    const { machine, run } = await bench.newBuilder();
    const prefixes = ["p0", "p1", "p2", "p3", "p4"];
    for (const prefix of prefixes) {
      await run(`echo ${prefix} >/opt/last; echo x >/opt/${prefix}`);
      await bench.keep(machine, prefix);
    }
    const { place } = bench;
    assert.equal(await countFromLayer(place, prefixes), 5);
    const tree = async (prefix: string) => join(await bench.folderOf(prefix), "tree/opt");
    const { atime, mtime } = await stat(join(await tree("p4"), "p4"));
    await writeFile(join(await tree("p4"), "p4"), "y\n");
    await utimes(join(await tree("p4"), "p4"), atime, mtime);
    await rm(join(await tree("p3"), "last"));
    await writeFile(join(await tree("p2"), "more"), "");
    const description = join(await bench.folderOf("p1"), "layer.json");
    await writeFile(
      description,
      (await readFile(description, "utf8")).replace(/"baseIdentity": "/, '"baseIdentity": "0'),
    );
    const next = await bench.newBuilder(prefixes);
    assert.match(next.said, /removed: opt\/p4 has changed\n.*removed: opt has changed\n.*removed: opt has changed/);
    assert.equal(await next.run("cat /opt/last /run/ci-images-present-modules"), "p0\np0");
    assert.equal(existsSync(await bench.folderOf("p4")), false, "the damaged layer is removed");
    assert.equal(await countFromLayer(place, prefixes), 1);
  });

  it("are not kept if the modules were quicker than a copy; the least recently used go first at the size limit", async () => {
    const { machine, run } = await bench.newBuilder();
    const signal = new AbortController().signal;
    await keepLayer({ machine: machine.name, prefix: "quick", modules: [] }, assert.fail, signal);
    assert.deepEqual(await listLayers(), []);
    await run("head -c 20M /dev/urandom >/opt/first");
    await bench.keep(machine, "first");
    await run("head -c 5M /dev/urandom >/opt/second");
    await bench.keep(machine, "second");
    const [newest, oldest] = await listLayers();
    assert.deepEqual([newest.prefix, oldest.prefix], ["second", "first"]);
    assert.ok(newest.own > 25 * 2 ** 20 && oldest.own < 20 * 2 ** 20, "content that both share counts once");
    makeRoom(bench.layers, newest.own);
    assert.deepEqual(
      (await listLayers()).map(({ prefix }) => prefix),
      ["second"],
    );
    process.env.CI_IMAGES_LAYERS = "8M";
    await run("head -c 1M /dev/urandom >/opt/third");
    assert.match(await bench.keep(machine, "third"), /goes on without layers: .*CI_IMAGES_LAYERS allows 8 MiB/);
    assert.equal(await bench.keep(machine, "fourth"), "", "the notice comes only once");
  });

  it("are not kept on a full disk; one notice says so, and the attempt leaves nothing behind", async () => {
    await mkdir(bench.layers, { recursive: true });
    await execa("mount", ["-t", "tmpfs", "-o", "size=64M", "tmpfs", bench.layers]);
    try {
      const { machine, run } = await bench.newBuilder();
      await run("head -c 1M /dev/urandom >/opt/first");
      assert.match(
        await bench.keep(machine, "first"),
        /goes on without layers: the disk is too full, \d+ MiB are free/,
      );
      assert.equal(await bench.keep(machine, "second"), "");
      assert.deepEqual(await readdir(bench.layers), []);
      assert.equal(await run("echo here"), "here");
    } finally {
      await execa("umount", ["--lazy", bench.layers]);
    }
  });

  it("are given up if the disk fills up during a copy, which leaves nothing, and the builder keeps running", async () => {
    const disk = `${bench.layers}.ext4`;
    await mkdir(bench.layers, { recursive: true });
    await execa("truncate", ["--size=4G", disk]);
    await execa("mkfs.ext4", ["-q", "-m", "0", disk]);
    await execa("mount", ["-o", "loop", disk, bench.layers]);
    try {
      const { machine, run } = await bench.newBuilder();
      await run("head -c 300M /dev/urandom >/opt/much");
      await bench.age(machine);
      const said: string[] = [];
      const keep = (prefix: string) => {
        const wanted = { machine: machine.name, prefix, modules: [prefix] };
        return keepLayer(wanted, (line) => said.push(line), new AbortController().signal);
      };
      const keeping = keep("much");
      const copying = async () => (await readdir(bench.layers)).some((name) => /^\.new-[^.]+$/.test(name));
      while (!(await copying())) await delay(2);
      const free = Number((await execa("stat", ["--file-system", "--format=%a", bench.layers])).stdout) * 4096;
      await execa("fallocate", ["--length", String(free - 2 ** 20), join(bench.layers, "other-work")]);
      await keeping;
      assert.match(said.join(), /goes on without layers: .*No space left on device/);
      assert.equal(await run("wc -c </opt/much"), String(300 * 2 ** 20));
      await bench.age(machine);
      await keep("more");
      assert.equal(said.length, 1, "said once");
      await bench.settled();
      assert.deepEqual((await readdir(bench.layers)).sort(), ["lost+found", "other-work"]);
    } finally {
      await execa("umount", ["--lazy", bench.layers]);
      await rm(disk);
    }
  });

  it("are completed and leave nothing half-written if Pulumi is killed during a copy, and the builder keeps running", async () => {
    const { machine, run } = await bench.newBuilder();
    await run("head -c 300M /dev/urandom >/opt/much");
    await bench.age(machine);
    const program = `
      import { keepLayer } from "${new URL("../../../components/local/provider/layers/keep-layer.ts", import.meta.url).pathname}";
      await keepLayer(${JSON.stringify({ machine: machine.name, prefix: "much", modules: ["much"] })}, () => {}, new AbortController().signal);`;
    const other = execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
      reject: false,
    });
    const copying = async () => (await readdir(bench.layers)).some((name) => /^\.new-[^.]+$/.test(name));
    while (!(await copying())) await delay(2);
    other.kill("SIGKILL");
    await other;
    assert.equal(await run("echo here"), "here");
    await bench.settled();
    const found = await findLayer(await bench.folderOf("much"), bench.place.base);
    assert.ok(found, "the layer is completed");
    await machines.removeMachine(machine.name);
    assert.deepEqual(
      (await readdir(bench.layers)).filter((name) => name.startsWith(".")),
      [],
    );
  });

  for (const { how, signal, whom } of [
    { how: "a session that ends", signal: "SIGTERM", whom: /layer-tool\.mjs|--directory/ },
    { how: "the kernel, out of memory", signal: "SIGKILL", whom: /layer-tool\.mjs/ },
  ] as const) {
    it(`are given up if the copy's processes are ended by ${how}, and the builder keeps running`, async () => {
      const { machine, run } = await bench.newBuilder();
      await run("head -c 300M /dev/urandom >/opt/much");
      await bench.age(machine);
      const said: string[] = [];
      const wanted = { machine: machine.name, prefix: "much", modules: ["much"] };
      const keeping = keepLayer(wanted, (line) => said.push(line), new AbortController().signal);
      const copying = async () => {
        const [name = "none"] = (await readdir(bench.layers)).filter((each) => /^\.new-[^.]+$/.test(each));
        return existsSync(join(bench.layers, name, "copied"));
      };
      while (!(await copying())) await delay(2);
      const { stdout } = await execa("pgrep", ["--full", "--list-full", bench.layers]);
      const ended = stdout.split("\n").filter((line) => whom.test(line) && !line.includes("keep-layer.sh"));
      assert.ok(ended.length > 0, stdout);
      for (const line of ended) process.kill(Number.parseInt(line, 10), signal);
      await keeping;
      assert.match(said.join(), /goes on without layers/);
      assert.equal(await run("echo here"), "here");
      await bench.settled();
      assert.deepEqual(await listLayers(), []);
    });
  }

  it("are kept once if two builders keep the same one at the same time", async () => {
    const prefix = randomUUID();
    const builders = await Promise.all([bench.newBuilder(), bench.newBuilder()]);
    await Promise.all(builders.map(({ run }) => run("head -c 30M /dev/zero >/opt/same")));
    await Promise.all(builders.map(({ machine }) => bench.keep(machine, prefix)));
    assert.deepEqual(
      (await listLayers()).map((layer) => layer.prefix),
      [prefix],
    );
    assert.equal((await bench.newBuilder([prefix])).said.includes("starts from a layer"), true);
  });
});
