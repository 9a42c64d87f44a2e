// A builder's changes are kept as a layer, and another builder starts from it.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { diskOf } from "../../../components/local/provider/machine/builder-disk.ts";
import type { LayerDescription } from "../../../components/local/provider/layers/layer-store.ts";
import { startFromLayer } from "../../../components/local/provider/layers/start-from-layer.ts";
import * as machines from "../../../components/local/provider/machine/machines.ts";
import { findGuest, findSupervisor } from "../../../components/local/provider/machine/supervisor.ts";
import { enterDisk } from "../../../components/local/provider/overlay.ts";
import { LayerBench } from "./layer-bench.ts";
import { bootedState } from "./support.ts";

/** Makes files of every type, with unusual names, modes, owners and times. Runs on the builder. */
const oddFiles = `
mkdir /opt/odd; cd /opt/odd
echo plain >plain; ln plain second-name; ln -s plain link; mkfifo pipe; mknod null c 1 3
truncate -s 100M sparse; echo end >>sparse
echo set-uid >program; chmod 4711 program; chown daemon:games program
touch "$(printf 'not utf-8 \\377 and a new\\nline')"
touch --date='1999-12-31 23:59:59.123456789' old
rm /etc/issue; rm -r /etc/skel; mkdir /etc/skel; echo mine >/etc/skel/mine
echo capability >capability; echo acl >acl`;

/**
 * Adds a capability, an access list and an extended attribute. Runs on this computer, as the builder lacks the tools.
 */
const oddAttributes = `
import os, struct, sys
top = sys.argv[1] + "/opt/odd/"
os.setxattr(top + "capability", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
entry = lambda tag, perm, id: struct.pack("<HHI", tag, perm, id)
none = 0xffffffff
os.setxattr(top + "acl", "system.posix_acl_access", struct.pack("<I", 2) + entry(1, 6, none) + entry(2, 4, 1) + entry(4, 4, none) + entry(16, 4, none) + entry(32, 4, none))
os.setxattr(top + "acl", "user.note", b"kept")`;

/** Prints all that matters of the odd files in a tree, including the overlay's own attributes. */
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

/** Runs {@link listing} on a tree. @param enter Command that enters the namespace where the tree is visible. */
async function list(top: string, enter: string[] = []): Promise<string> {
  const [command, ...words] = [...enter, "python3", "-c", listing, top];
  return (await execa(command, words)).stdout;
}

describe("layers of a builder", function () {
  this.timeout(180_000);
  let bench: LayerBench;

  before(async () => {
    bench = await LayerBench.open();
  });
  after(() => bench.close());

  it("keep every file attribute, copy only changes since the last layer, and give the next builder its own identity", async () => {
    const { machine, run } = await bench.newBuilder();
    await run(oddFiles);
    const guest = await findGuest((await findSupervisor(machine.directory))!);
    await execa("python3", ["-c", oddAttributes, `/proc/${guest}/root`]);
    assert.match(
      await bench.keep(machine, "one"),
      /^kept as a layer: \d+ MiB, \d+ MiB of it new; the builder was held for \d+\.\d\d s$/,
    );
    // Same size and mtime: only the ctime shows the change.
    await run(
      "cd /opt/odd; touch --reference=plain time; echo PLAIN >plain; touch --reference=time plain; rm time old; touch new",
    );
    await bench.keep(machine, "two");
    const [one, two] = [join(await bench.folderOf("one"), "tree"), join(await bench.folderOf("two"), "tree")];
    const inode = async (path: string) => (await stat(path)).ino;
    assert.equal(await inode(join(one, "opt/odd/sparse")), await inode(join(two, "opt/odd/sparse")));
    assert.equal(await readFile(join(one, "opt/odd/plain"), "utf8"), "plain\n");
    assert.equal(await readFile(join(two, "opt/odd/second-name"), "utf8"), "PLAIN\n");
    assert.equal(await inode(join(two, "opt/odd/plain")), await inode(join(two, "opt/odd/second-name")));

    const next = await bench.newBuilder(["one", "two", "three"]);
    assert.match(next.said, /starts from a layer/);
    assert.equal(await next.run("cat /run/ci-images-present-modules"), "one\ntwo");
    for (const file of ["/etc/machine-id", "/etc/ci-images-builder/host_key", "/home/debian/.ssh/authorized_keys"]) {
      assert.notEqual(await next.run(`cat ${file}`), await run(`cat ${file}`), file);
    }
    assert.equal(await next.run(bootedState), "running");
    await machines.stopMachine(machine.name);
    await machines.stopMachine(next.machine.name);
    const upper = ({ directory }: machines.Machine) =>
      list(join(diskOf(directory).path, "upper"), enterDisk(diskOf(directory)));
    const expected = await upper(machine);
    assert.match(expected, /trusted\.overlay\.opaque/);
    assert.equal(await upper(next.machine), expected);
    assert.equal(await list(two), expected);
  });

  it("replace those of a base that was made again since, and stay if the disk is full", async () => {
    const { machine } = await bench.newBuilder();
    await bench.keep(machine, "again");
    const file = join(await bench.folderOf("again"), "layer.json");
    const described = JSON.parse(await readFile(file, "utf8")) as LayerDescription;
    await writeFile(file, JSON.stringify({ ...described, baseIdentity: "an older one" }));
    assert.doesNotMatch((await bench.newBuilder(["again"])).said, /layer/);
    const other = await bench.newBuilder();
    await bench.keep(other.machine, "again");
    const renewed = JSON.parse(await readFile(file, "utf8")) as LayerDescription;
    assert.equal(renewed.baseIdentity, described.baseIdentity);
    assert.notEqual(renewed.createdAt, described.createdAt);
    assert.match((await bench.newBuilder(["again"])).said, /starts from a layer/);

    const full = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await execa("mount", ["-t", "tmpfs", "-o", "size=8k", "tmpfs", full]);
    try {
      const makeRoot = () => Promise.resolve({ path: full, upper: full, lower: [], work: "" });
      const said: string[] = [];
      const started = await startFromLayer(bench.place, ["again"], join(full, "index"), makeRoot, (line) =>
        said.push(line),
      );
      assert.equal(started.layer, undefined);
      assert.match(said.join("\n"), /is not used: .*no space left/i);
    } finally {
      await execa("umount", [full]);
      await rm(full, { recursive: true });
    }
    assert.match((await bench.newBuilder(["again"])).said, /starts from a layer/);
  });
});
