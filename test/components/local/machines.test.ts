import assert from "node:assert/strict";
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../../common/user-error.ts";
import {
  controlGroupOf,
  enterControlGroup,
  inControlGroup,
} from "../../../components/local/provider/machine/control-group.ts";
import * as machines from "../../../components/local/provider/machine/machines.ts";
import { machineDirectory } from "../../../components/local/provider/machine/machine-record.ts";
import { childrenOf } from "../../../components/local/provider/processes.ts";
import { findSupervisor } from "../../../components/local/provider/machine/supervisor.ts";
import { cachedBase } from "../../cached-base.ts";
import { makeDeepTree } from "./deep-tree.ts";
import {
  assertNothingLeft,
  bootedState,
  builderSpec,
  emptyCache,
  otherProcess,
  processesOf,
  ssh,
  sshWhenBack,
} from "./support.ts";

describe("local builder", function () {
  this.timeout(180_000);
  let base: string;
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  const made: string[] = [];

  before(async function () {
    this.timeout(300_000);
    base = await cachedBase();
    // Other tests' plugins remove leftover machines from the common cache, and these tests look at who removes what.
    cache = await emptyCache();
  });
  after(() => cache.restore());
  afterEach(async () => {
    for (const name of made.splice(0)) await machines.removeMachine(name);
  });

  function newSpec(lifetime?: number) {
    const built = builderSpec(base, lifetime);
    made.push(built.spec.name);
    return built;
  }
  async function newBuilder(lifetime?: number) {
    const { spec, privateKey } = newSpec(lifetime);
    const machine = await machines.createMachine(spec, () => {});
    return { spec, machine, run: (command: string) => ssh(machine, privateKey, command), privateKey };
  }
  async function supervisorOf({ directory }: machines.Machine) {
    const supervisor = await findSupervisor(directory);
    assert.ok(supervisor);
    return supervisor;
  }

  it("boots to a running systemd, answers with its given host key, and reaches the package mirrors", async () => {
    const { machine, spec, run } = await newBuilder();
    assert.equal(machine.state, "running");
    assert.equal(await run(bootedState), "running");
    assert.equal(await run("sudo --non-interactive id --user"), "0");
    assert.match(await run("sudo apt-get update 2>&1"), /Reading package lists/);
    assert.equal((await machines.createMachine(spec, () => {})).createdAt, machine.createdAt);
    assert.deepEqual((await machines.listMachines(spec.labels)).filter(({ name }) => name === spec.name).length, 1);
    assert.deepEqual(await machines.listMachines({ project: "no such project" }), []);
  });

  it("adds nothing to the root except the residue that sealing removes, and what systemd and SSH write at boot", async () => {
    const { machine, run } = await newBuilder();
    await run("true");
    await machines.stopMachine(machine.name);
    const { stdout } = await execa("find", [".", "-not", "-type", "d", "-printf", "/%P\n"], {
      cwd: join(machine.directory, "upper"),
    });
    const known = machines.builderResidue.map((path) => path.replace("~USER", "/home/debian"));
    const ofABoot = [
      /^\/var\/(log|lib\/systemd|lib\/private|cache\/private)\//,
      /^\/etc\/machine-id$/,
      /^\/etc\/\.(pwd\.lock|updated)$/,
      /^\/var\/\.updated$/,
    ];
    const unknown = stdout
      .split("\n")
      .filter((path) => !known.includes(path) && !ofABoot.some((each) => each.test(path)));
    assert.deepEqual(unknown, []);
  });

  it("is marked as a builder before it boots", async () => {
    const { run } = await newBuilder();
    // /run is made at boot.
    await run("test /var/lib/ci-images/builder -ot /run/systemd/private");
  });

  it("keeps package timers and network daemons inactive without masking them, so that a module can enable them", async () => {
    const { run } = await newBuilder();
    const units = "systemd-networkd.service apt-daily.timer apt-daily-upgrade.timer";
    assert.match(await run(`sudo systemctl enable --now ${units} 2>&1; echo "status $?"`), /status 0$/);
    assert.deepEqual((await run(`systemctl is-enabled ${units}`)).split("\n"), ["enabled", "enabled", "enabled"]);
    assert.match(await run(`systemctl is-active ${units} || true`), /^inactive\ninactive\ninactive$/);
  });

  it("comes back after the guest reboots", async () => {
    const { machine, run, privateKey } = await newBuilder();
    const boot = "systemctl show --value --property=UserspaceTimestampMonotonic";
    const before = await run(`${boot}; sudo touch /root/kept`);
    // The connection may end before the command does.
    await run("sudo systemctl reboot --no-block").catch((error: Error) => error);
    for (let after = before; after === before;) after = await sshWhenBack(machine, privateKey, boot);
    assert.equal(await sshWhenBack(machine, privateKey, "systemctl is-system-running --wait"), "running");
    await ssh(machine, privateKey, "sudo test -e /root/kept");
  });

  it("outlives the process that made it", async () => {
    const { spec, privateKey } = newSpec();
    const other = await otherProcess(`say(await machines.createMachine(input, () => {}))`, spec);
    assert.equal(other.exitCode, 0, other.stderr);
    const machine = await machines.findMachine(spec.name);
    assert.ok(machine);
    assert.equal(machine.createdAt, (JSON.parse(other.stdout) as machines.Machine).createdAt);
    assert.equal(await ssh(machine, privateKey, "echo here"), "here");
  });

  it("has its own control group for all its processes, outside its creator's group", async () => {
    const { machine, run } = await newBuilder();
    const group = controlGroupOf(machine.directory);
    const supervisor = await supervisorOf(machine);
    const descendants = async (pid: number): Promise<number[]> => [
      pid,
      ...(await Promise.all((await childrenOf(pid)).map(descendants))).flat(),
    ];
    const all = await descendants(supervisor.pid);
    // At least unshare, the supervisor, slirp4netns, systemd-nspawn and the guest's own processes.
    assert.ok(all.length > 6, String(all.length));
    for (const pid of all) {
      const lines = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => undefined); // It may have ended.
      if (lines !== undefined)
        assert.match(lines, new RegExp(`^0::/(machine\\.slice/)?${group}\\S*/(supervisor|guest)`, "m"));
    }
    // All controllers of this computer's cgroup v2 are available inside.
    const root = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
    const known = /^(cpu|cpuset|io|memory|pids)$/;
    const available = (await readFile(join(root, "cgroup.controllers"), "utf8"))
      .split(/\s/)
      .filter((each) => known.test(each));
    const inside = (await run("cat /sys/fs/cgroup/cgroup.controllers")).split(" ");
    for (const controller of available) assert.ok(inside.includes(controller), `${controller}: ${inside.join(" ")}`);
  });

  it("runs in its own systemd scope on computers with systemd, outside the session that started it", async () => {
    const { machine, run } = await newBuilder();
    const script = (await readFile(enterControlGroup, "utf8")).replaceAll("'", `'\\''`);
    await run(`printf '%s' '${script}' >enter.sh`);
    const here = { root: "/sys/fs/cgroup", bySystemd: true };
    const words = inControlGroup(machine.directory, ["sleep", "1000"], here).map((word) =>
      word === enterControlGroup ? "enter.sh" : `'${word}'`,
    );
    await run(`sudo ${words.join(" ")} >log 2>&1 </dev/null &`);
    const group = controlGroupOf(machine.directory);
    const find = 'until sleeper=$(pgrep -xf "sleep 1000") || ! sleep 0.1; do :; done; cat log "/proc/$sleeper/cgroup"';
    assert.match(await run(find), new RegExp(`^0::/machine\\.slice/${group}-\\w+\\.scope/supervisor$`, "m"));
    const units = `systemctl list-units --all --plain --no-legend '${group}*'`;
    assert.match(await run(units), /\.scope +loaded +active +running/);
    await run(`sudo pkill -xf 'sleep 1000'; until [ -z "$(${units})" ]; do sleep 0.1; done`);
  });

  it("leaves no process, mount, namespace or control group if its supervisor is killed, and is reaped", async () => {
    const { machine } = await newBuilder();
    const supervisor = await supervisorOf(machine);
    const [inner] = await childrenOf(supervisor.pid);
    assert.ok((await processesOf(machine.directory)).length >= 4);
    process.kill(inner, "SIGKILL");
    while (await findSupervisor(machine.directory)) await delay(20);
    await delay(200);
    await assertNothingLeft(machine.directory);
    assert.equal(await machines.findMachine(machine.name), undefined);
    const reaped = await machines.reapMachines();
    assert.ok(reaped.some(({ name, reason }) => name === machine.name && reason === "its supervisor was killed"));
    assert.ok(!existsSync(machine.directory));
    for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
      assert.ok(!existsSync(join(root, controlGroupOf(machine.directory))));
    }
  });

  it("can be removed even if its root has deep folders and immutable files", async () => {
    const { machine, run } = await newBuilder();
    await run(`sudo bash -ec 'mkdir /opt/deep; cd /opt/deep; ${makeDeepTree}; chattr +i file'`);
    await machines.removeMachine(machine.name);
    assert.ok(!existsSync(machine.directory));
  });

  it("is reaped if a crash has truncated its records, without affecting another builder", async () => {
    const [torn, whole] = await Promise.all([newBuilder(), newBuilder()]);
    await writeFile(join(torn.machine.directory, "machine.json"), "");
    await writeFile(join(torn.machine.directory, "status.json"), '{"pha');
    assert.equal(await machines.findMachine(torn.machine.name), undefined);
    assert.ok((await machines.listMachines()).some(({ name }) => name === whole.machine.name));
    const reaped = await machines.reapMachines();
    assert.deepEqual(
      reaped.filter(({ name }) => name === torn.machine.name),
      [{ name: torn.machine.name, reason: "it was never finished" }],
    );
    await assertNothingLeft(torn.machine.directory);
    assert.equal(await whole.run("echo here"), "here");
  });

  it("is reaped with all its processes if its creator is killed before it answers", async () => {
    const { spec } = newSpec();
    const directory = await machineDirectory(spec.name);
    const other = otherProcess(`await machines.createMachine(input, () => {})`, spec);
    while (!(await findSupervisor(directory))) await delay(5);
    other.kill("SIGKILL");
    await other;
    assert.equal(await machines.findMachine(spec.name), undefined);
    // The kernel releases the dead process's lock, possibly a moment later.
    while (existsSync(directory)) await machines.reapMachines();
    await assertNothingLeft(directory);
  });

  it("does not affect another builder that starts and ends at the same time", async () => {
    const [one, other] = await Promise.all([newBuilder(), newBuilder()]);
    assert.notEqual(one.machine.connection.host, other.machine.connection.host);
    await Promise.all([one.run("sudo systemctl restart systemd-journald"), other.run("sudo systemctl daemon-reload")]);
    await machines.removeMachine(one.machine.name);
    assert.equal(await other.run(`${bootedState}; systemctl --failed --no-legend`), "running");
  });

  it("stops cleanly, and keeps its root and address when it is started again", async () => {
    const { machine, run, privateKey } = await newBuilder();
    await run("echo kept | sudo tee /etc/kept");
    const lines: string[] = [];
    const stopped = await machines.stopMachine(machine.name, (line) => lines.push(line));
    assert.equal(stopped.state, "stopped");
    assert.deepEqual(lines, []);
    await assertNothingLeft(machine.directory);
    assert.ok(!(await machines.reapMachines()).some(({ name }) => name === machine.name));
    const started = await machines.startMachine(machine.name);
    assert.deepEqual(started.connection, machine.connection);
    assert.equal(await ssh(started, privateKey, "cat /etc/kept"), "kept");
  });

  it("has a disk of the given size that can't fill this computer's disk and is removed completely", async () => {
    const { spec, privateKey } = newSpec();
    assert.ok(spec.guest.kind === "container");
    const size = 512 * 1024 ** 2;
    const machine = await machines.createMachine({ ...spec, guest: { ...spec.guest, size } }, () => {});
    const run = (command: string) => ssh(machine, privateKey, command);
    const seen = Number(await run("df --block-size=1 --output=size / | tail -n 1"));
    assert.ok(seen > 0.9 * size && seen <= size, String(seen));
    // Scripts that shrink images do this.
    const fill = "sudo dd if=/dev/zero of=/EMPTY bs=1M 2>&1 || true; sudo rm /EMPTY";
    assert.match(await run(fill), /No space left on device/);
    await run("sudo chmod 0711 / && sudo touch /root/kept");
    const file = join(machine.directory, "disk.img");
    await machines.stopMachine(machine.name);
    assert.ok((await stat(file)).blocks * 512 < 0.5 * size, "deleted content takes no space");
    await assertNothingLeft(machine.directory);
    const view = await machines.rootView(machine.name);
    const [enter, ...words] = view.enter;
    const look = [...words, "sh", "-c", `stat --format=%a ${view.path} && ls ${view.path}/root`];
    assert.equal((await execa(enter, look)).stdout, "711\nkept");
    await view.dispose();
    await machines.startMachine(machine.name);
    assert.equal(await run("sudo ls /root"), "kept");
    const [inner] = await childrenOf((await supervisorOf(machine)).pid);
    process.kill(inner, "SIGKILL");
    while (await findSupervisor(machine.directory)) await delay(20);
    await machines.reapMachines();
    assert.ok(!existsSync(machine.directory));
    assert.doesNotMatch((await execa("losetup", ["--list", "--output", "BACK-FILE"])).stdout, new RegExp(machine.name));
  });

  it("is waited for on a computer so slow that its SSH server takes seconds for the first byte", async () => {
    const { machine, run, privateKey } = await newBuilder();
    const slow = '#!/bin/sh\\nsleep 4\\nexec /usr/sbin/sshd.real "$@"\\n';
    await run(`cd /usr/sbin && sudo mv sshd sshd.real && printf '${slow}' | sudo install -m 0755 /dev/stdin sshd`);
    await machines.stopMachine(machine.name);
    assert.equal(await ssh(await machines.startMachine(machine.name), privateKey, "echo here"), "here");
  });

  it("counts as stopped after it powers itself off", async () => {
    const { machine, run } = await newBuilder();
    await run("sudo systemctl poweroff").catch((error: Error) => error);
    while (await findSupervisor(machine.directory)) await delay(20);
    assert.equal((await machines.findMachine(machine.name))?.state, "stopped");
  });

  it("offers a writable view of its root that does not change the root", async () => {
    const { machine, run } = await newBuilder();
    await run("echo builder | sudo tee /etc/mine; sudo rm /etc/issue");
    await assert.rejects(machines.rootView(machine.name), /is running/);
    await machines.stopMachine(machine.name);
    const view = await machines.rootView(machine.name);
    const inView = async (command: string): Promise<string> => {
      const [enter, ...words] = view.enter;
      return (await execa(enter, [...words, "bash", "-c", command], { cwd: "/", env: { ROOT: view.path } })).stdout;
    };
    assert.equal(
      await inView("cat $ROOT/etc/mine; ls $ROOT/etc/issue 2>/dev/null || readlink $ROOT/etc/resolv.conf"),
      "builder\n../run/systemd/resolve/stub-resolv.conf",
    );
    await inView("echo scratch > $ROOT/etc/mine; rm $ROOT/etc/passwd");
    assert.equal(await inView("cat $ROOT/etc/mine; test ! -e $ROOT/etc/passwd"), "scratch");
    await view.dispose();
    const again = await machines.rootView(machine.name);
    const [enter, ...words] = again.enter;
    const { stdout } = await execa(enter, [...words, "cat", `${again.path}/etc/mine`]);
    assert.equal(stdout, "builder");
    await again.dispose();
  });

  it("shuts itself down at its deadline, and is reaped", async () => {
    const { machine } = await newBuilder(12);
    while (await findSupervisor(machine.directory)) await delay(50);
    assert.ok(Date.now() >= Date.parse(machine.deadline));
    assert.equal(await machines.findMachine(machine.name), undefined);
    assert.ok((await machines.reapMachines()).some(({ name }) => name === machine.name));
    assert.ok(!existsSync(machine.directory));
  });

  it("creates the login user if the base has none", async () => {
    const { spec, privateKey } = newSpec();
    const machine = await machines.createMachine({ ...spec, loginUser: "builder-user" }, () => {});
    assert.equal(
      await ssh(machine, privateKey, "id --user --name; sudo --non-interactive id --user"),
      "builder-user\n0",
    );
  });

  it("refuses a base that can't boot, names what it lacks, and leaves nothing behind", async () => {
    const empty = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      await mkdir(join(empty, "usr/sbin"), { recursive: true });
      const { spec } = builderSpec(empty);
      await assert.rejects(
        machines.createMachine(spec, () => {}),
        (error: Error) => {
          assert.ok(error instanceof UserError);
          assert.match(error.message, /the base image: lacks systemd, openssh-server, sudo, bash/);
          return true;
        },
      );
      assert.ok(!existsSync(await machineDirectory(spec.name)));
    } finally {
      await rm(empty, { recursive: true });
    }
  });
});
