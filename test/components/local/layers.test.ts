// Layers: what a builder has changed is kept, and another builder starts from it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { keepLayer } from "../../../components/local/provider/layers/keep-layer.ts";
import { layerStateFile, type LayerState } from "../../../components/local/provider/layers/layer-state.ts";
import {
  countFromLayer,
  findLayer,
  layerFolder,
  listLayers,
} from "../../../components/local/provider/layers/layer-store.ts";
import { makeRoom } from "../../../components/local/provider/layers/layer-tool.mjs";
import { diskOf } from "../../../components/local/provider/machine/builder-disk.ts";
import * as machines from "../../../components/local/provider/machine/machines.ts";
import { findGuest, findSupervisor } from "../../../components/local/provider/machine/supervisor.ts";
import { enterDisk } from "../../../components/local/provider/overlay.ts";
import { readState, writeState } from "../../../components/local/provider/state-file.ts";
import { cachedBase } from "../../cached-base.ts";
import { builderSpec, emptyCache, ssh } from "./support.ts";

const size = 2 * 2 ** 30;

/** What a file can have beside its content. Run on the builder. */
const oddFiles = `
mkdir /opt/odd; cd /opt/odd
echo plain >plain; ln plain second-name; ln -s plain link; mkfifo pipe; mknod null c 1 3
truncate -s 100M sparse; echo end >>sparse
echo set-uid >program; chmod 4711 program; chown daemon:games program
touch "$(printf 'not utf-8 \\377 and a new\\nline')"
touch --date='1999-12-31 23:59:59.123456789' old
rm /etc/issue; rm -r /etc/skel; mkdir /etc/skel; echo mine >/etc/skel/mine
echo capability >capability; echo acl >acl`;

/** What only this computer has a tool for: a capability, an access list, an attribute. */
const oddAttributes = `
import os, struct, sys
top = sys.argv[1] + "/opt/odd/"
os.setxattr(top + "capability", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
entry = lambda tag, perm, id: struct.pack("<HHI", tag, perm, id)
none = 0xffffffff
os.setxattr(top + "acl", "system.posix_acl_access", struct.pack("<I", 2) + entry(1, 6, none) + entry(2, 4, 1) + entry(4, 4, none) + entry(16, 4, none) + entry(32, 4, none))
os.setxattr(top + "acl", "user.note", b"kept")`;

/** All of a tree that the odd files are about, with the overlay's own marks. */
const listing = `
import hashlib, os, stat, sys
top = os.fsencode(sys.argv[1])
def tell(path):
    s = os.lstat(path)
    xattrs = sorted((name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in os.listxattr(path, follow_symlinks=False)
        if name not in ("trusted.overlay.origin", "trusted.overlay.uuid"))
    content = hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(s.st_mode) else os.readlink(path) if stat.S_ISLNK(s.st_mode) else ""
    blocks = s.st_blocks < 1000 if path.endswith(b"sparse") else ""
    print(path[len(top):], oct(s.st_mode), s.st_uid, s.st_gid, s.st_size if not stat.S_ISDIR(s.st_mode) else "", s.st_mtime_ns, s.st_rdev, content, xattrs, blocks)
for start in (b"/opt/odd", b"/etc/skel", b"/etc/issue"):
    tell(top + start)
    for folder, folders, files in os.walk(top + start):
        folders.sort()
        for name in sorted(folders + files): tell(os.path.join(folder, name))`;

describe("layers of a builder", function () {
  this.timeout(180_000);
  let base: string;
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  const made: string[] = [];

  before(async () => {
    base = await cachedBase();
  });
  beforeEach(async () => {
    cache = await emptyCache();
  });
  afterEach(async () => {
    for (const name of made.splice(0)) await machines.removeMachine(name);
    delete process.env.CI_IMAGES_LAYERS;
    await cache.restore();
  });

  async function newBuilder(modules: string[]) {
    const { spec, privateKey } = builderSpec(base);
    assert.ok(spec.guest.kind === "container");
    made.push(spec.name);
    const said: string[] = [];
    const machine = await machines.createMachine({ ...spec, guest: { ...spec.guest, size, modules } }, (line) =>
      said.push(line),
    );
    return {
      spec,
      machine,
      said: said.join("\n"),
      run: (command: string) => ssh(machine, privateKey, `sudo bash -ec '${command}'`),
    };
  }
  /** Keeps a layer of a builder whose modules took a minute, and waits until it has its name. */
  async function keep(machine: machines.Machine, prefix: string) {
    const file = layerStateFile(machine.directory);
    await writeState(file, { ...(await readState<LayerState>(file))!, since: Date.now() - 60_000 });
    const said: string[] = [];
    const modules = ["a module"];
    await keepLayer(
      { machine: machine.name, prefix, modules },
      (line) => said.push(line),
      new AbortController().signal,
    );
    await finished();
    assert.equal(await readFile(join(machine.directory, "layers.log"), "utf8").catch(() => ""), "");
    return said.join("\n");
  }
  async function finished() {
    while ((await readdir(join(cache.path, "layers"))).some((name) => name.startsWith(".new-"))) await delay(20);
  }
  const folderOf = (prefix: string) => layerFolder({ base, size, loginUser: "debian" }, prefix);
  async function list(top: string, enter: string[] = []) {
    const [command, ...words] = [...enter, "python3", "-c", listing, top];
    return (await execa(command, words)).stdout;
  }

  it("keep all that files can have, copy only what changed since the last one, and make the next builder the same but for its identity", async () => {
    const { machine, run } = await newBuilder([]);
    await run(oddFiles.replaceAll("'", `'"'"'`));
    const guest = await findGuest((await findSupervisor(machine.directory))!);
    await execa("python3", ["-c", oddAttributes, `/proc/${guest}/root`]);
    assert.match(
      await keep(machine, "one"),
      /^kept as a layer: \d+ MiB, \d+ MiB of it new; the builder was held for \d+\.\d\d s$/,
    );
    // The same size and time: only its state in the file system tells.
    await run(
      "cd /opt/odd; touch --reference=plain time; echo PLAIN >plain; touch --reference=time plain; rm time old; touch new",
    );
    await keep(machine, "two");
    const [one, two] = [join(await folderOf("one"), "tree"), join(await folderOf("two"), "tree")];
    const inode = async (path: string) => (await stat(path)).ino;
    assert.equal(await inode(join(one, "opt/odd/sparse")), await inode(join(two, "opt/odd/sparse")));
    assert.equal(await readFile(join(one, "opt/odd/plain"), "utf8"), "plain\n");
    assert.equal(await readFile(join(two, "opt/odd/second-name"), "utf8"), "PLAIN\n");
    assert.equal(await inode(join(two, "opt/odd/plain")), await inode(join(two, "opt/odd/second-name")));

    const next = await newBuilder(["one", "two", "three"]);
    assert.match(next.said, /starts from a layer/);
    assert.equal(await next.run("cat /run/ci-images-present-modules"), "one\ntwo");
    for (const file of ["/etc/machine-id", "/etc/ci-images-builder/host_key", "/home/debian/.ssh/authorized_keys"]) {
      assert.notEqual(await next.run(`cat ${file}`), await run(`cat ${file}`), file);
    }
    assert.equal(await next.run("systemctl is-system-running --wait"), "running");
    await machines.stopMachine(machine.name);
    await machines.stopMachine(next.machine.name);
    const upper = ({ directory }: machines.Machine) =>
      list(join(diskOf(directory).path, "upper"), enterDisk(diskOf(directory)));
    const expected = await upper(machine);
    assert.match(expected, /trusted\.overlay\.opaque/);
    assert.equal(await upper(next.machine), expected);
    assert.equal(await list(two), expected);
  });

  it("are not used when a file is damaged, missing or new, or the base was made again: the next shorter one is", async () => {
    const { machine, run } = await newBuilder([]);
    const prefixes = ["p0", "p1", "p2", "p3", "p4"];
    for (const prefix of prefixes) {
      await run(`echo ${prefix} >/opt/last; echo x >/opt/${prefix}`);
      await keep(machine, prefix);
    }
    const place = { base, size, loginUser: "debian" };
    assert.equal(await countFromLayer(place, prefixes), 5);
    const tree = async (prefix: string) => join(await folderOf(prefix), "tree/opt");
    const { atime, mtime } = await stat(join(await tree("p4"), "p4"));
    await writeFile(join(await tree("p4"), "p4"), "y\n");
    await utimes(join(await tree("p4"), "p4"), atime, mtime);
    await rm(join(await tree("p3"), "last"));
    await writeFile(join(await tree("p2"), "more"), "");
    const description = join(await folderOf("p1"), "layer.json");
    await writeFile(
      description,
      (await readFile(description, "utf8")).replace(/"baseIdentity": "/, '"baseIdentity": "0'),
    );
    const next = await newBuilder(prefixes);
    assert.match(next.said, /opt\/p4 is not what it was[^]*opt\/last is missing[^]*opt\/more is not what it was/);
    assert.equal(await next.run("cat /opt/last /run/ci-images-present-modules"), "p0\np0");
    assert.equal(existsSync(await folderOf("p4")), false, "it is removed");
    assert.equal(await countFromLayer(place, prefixes), 1);
  });

  it("cost nothing where the modules were quicker than a copy, and stay within their limit, the least recently used first to go", async () => {
    const { machine, run } = await newBuilder([]);
    const signal = new AbortController().signal;
    await keepLayer({ machine: machine.name, prefix: "quick", modules: [] }, assert.fail, signal);
    assert.deepEqual(await listLayers(), []);
    await run("head -c 20M /dev/urandom >/opt/first");
    await keep(machine, "first");
    await run("head -c 5M /dev/urandom >/opt/second");
    await keep(machine, "second");
    const [newest, oldest] = await listLayers();
    assert.deepEqual([newest.prefix, oldest.prefix], ["second", "first"]);
    assert.ok(newest.own > 25 * 2 ** 20 && oldest.own < 2 ** 20, "what both have counts once");
    makeRoom(join(cache.path, "layers"), newest.own);
    assert.deepEqual(
      (await listLayers()).map(({ prefix }) => prefix),
      ["second"],
    );
    process.env.CI_IMAGES_LAYERS = "8M";
    await run("head -c 1M /dev/urandom >/opt/third");
    assert.match(await keep(machine, "third"), /goes on without layers: .*CI_IMAGES_LAYERS allows 8 MiB/);
    assert.equal(await keep(machine, "fourth"), "", "once is enough");
  });

  it("let the builder go on when Pulumi is killed in the middle of a copy, and leave nothing half-written", async () => {
    const { machine, run } = await newBuilder([]);
    await run("head -c 300M /dev/urandom >/opt/much");
    const file = layerStateFile(machine.directory);
    await writeState(file, { ...(await readState<LayerState>(file))!, since: Date.now() - 60_000 });
    const program = `
      import { keepLayer } from "${new URL("../../../components/local/provider/layers/keep-layer.ts", import.meta.url).pathname}";
      await keepLayer(${JSON.stringify({ machine: machine.name, prefix: "much", modules: ["much"] })}, () => {}, new AbortController().signal);`;
    const other = execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
      reject: false,
    });
    const copying = async () => (await readdir(join(cache.path, "layers"))).some((name) => /^\.new-[^.]+$/.test(name));
    while (!(await copying())) await delay(2);
    other.kill("SIGKILL");
    await other;
    assert.equal(await run("echo here"), "here");
    await finished();
    const found = await findLayer(await folderOf("much"), base);
    assert.ok(found, "what was begun is completed");
    await machines.removeMachine(machine.name);
    assert.deepEqual(
      (await readdir(join(cache.path, "layers"))).filter((name) => name.startsWith(".")),
      [],
    );
  });

  it("are the same when two builders keep the same one at the same time", async () => {
    const prefix = randomUUID();
    const builders = await Promise.all([newBuilder([]), newBuilder([])]);
    await Promise.all(builders.map(({ run }) => run("head -c 30M /dev/zero >/opt/same")));
    await Promise.all(builders.map(({ machine }) => keep(machine, prefix)));
    assert.deepEqual(
      (await listLayers()).map((layer) => layer.prefix),
      [prefix],
    );
    assert.equal((await newBuilder([prefix])).said.includes("starts from a layer"), true);
  });
});
