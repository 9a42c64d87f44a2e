// Baking on ordinary computers: systemd is process 1, and there is only the second version of control groups. Each one
// is a virtual machine without a network. On emulated hardware a test of one host takes about half an hour.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dump } from "js-yaml";
import { containerDropIn } from "../../provision/modules/shared/docker.ts";
import { quote } from "../../provision/shell/shell.ts";
import { BootedDisk } from "../components/local/disk/booted-disk.ts";
import { tinyRecipe } from "../engine/recipes.ts";
import { hostDistributions, makeHostDisk, onHost } from "./host-disk.ts";

for (const distribution of hostDistributions) {
  describe(`a host with ${distribution} and systemd as process 1`, function () {
    this.timeout(3_600_000);
    let folder: string;
    let host: BootedDisk | undefined;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
      const disk = await makeHostDisk(folder, distribution, () => {});
      const hardware = { memory: 3072, cpus: 2 };
      host = await BootedDisk.boot(join(folder, "host"), disk, "uefi", hardware);
    });
    after(async () => {
      await host?.end(0);
      await rm(folder, { recursive: true });
    });

    /** Runs a script as root on the host, in a login session of its own. */
    const run = (script: string): Promise<string> => host!.run(script);

    /** Waits until a condition holds on the host. */
    async function until(condition: string): Promise<void> {
      const check = `if ${condition}; then echo yes; fi`;
      for (const end = Date.now() + 1_800_000; (await run(check)) !== "yes"; await delay(5000)) {
        if (Date.now() > end) assert.fail(`never on the host: ${condition}`);
      }
    }

    /** Runs a script as root in a builder that was made on the host. */
    const inBuilder = (name: string, script: string): Promise<string> =>
      run(`ssh -F /root/${name}.config builder sudo bash -es <<'END_OF_SCRIPT'\n${script}\nEND_OF_SCRIPT\n`);

    /** Powers such a builder off, after the connection has ended. */
    const powerOff = (name: string): Promise<string> =>
      inBuilder(name, "systemd-run --quiet --collect --on-active=1 systemctl poweroff");

    /**
     * Starts a script in a login session, as its only process besides `sleep`; then ends the session, and waits for its
     * end.
     */
    async function inEndedSession(name: string, script: string, isFarEnough: string): Promise<void> {
      const session = `s/.*session-\\(.*\\)\\.scope.*/\\1/p`;
      const note = `sed -n '${session}' /proc/self/cgroup >/root/${name}.session; sleep 100000 & echo $! >/root/${name}.other`;
      let isFar = false;
      const ended = assert.rejects(run(`${note}; ${script} || exit; wait`)).then(async () => {
        if (!isFar) assert.fail(`it ended too early:\n${await run(`cat /root/${name}.log || true`)}`);
      });
      await Promise.race([until(isFarEnough), ended]);
      isFar = true;
      await run(`loginctl terminate-session "$(cat /root/${name}.session)"`);
      await ended;
      await until(`! test -e /proc/$(cat /root/${name}.other)`);
    }

    const makeBuilder = (name: string): string =>
      `cd ${onHost.checkout} && node --import tsx test/hosts/make-builder.ts ${onHost.dockerBase} /root/${name}`;

    it("has only the second version of control groups", async () => {
      const look =
        "cat /proc/1/comm; stat --file-system --format=%T /sys/fs/cgroup; systemctl is-system-running --wait";
      assert.equal(await run(look), "systemd\ncgroup2fs\nrunning");
    });

    it("keeps a builder when the login session that made it is ended, and all other processes of the session with it", async () => {
      const setting = "printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/kill.conf";
      await run(`mkdir -p /etc/systemd/logind.conf.d; ${setting}; systemctl restart systemd-logind`);
      await inEndedSession("session", makeBuilder("session"), "test -e /root/session.config");
      assert.equal(await inBuilder("session", "echo here"), "here");
    });

    it("keeps a builder when the service that made it is stopped", async () => {
      await run(`systemd-run --unit=agent sh -c ${quote(`${makeBuilder("service")} && sleep 100000`)}`);
      await until("test -e /root/service.config");
      await run("systemctl stop agent");
      assert.equal(await inBuilder("service", "echo here"), "here");
      await powerOff("service");
    });

    it("lets units in a builder have limits: MemoryMax=, TasksMax=, CPUQuota=", async () => {
      const limits =
        "--property=MemoryMax=50M --property=MemorySwapMax=0 --property=TasksMax=77 --property=CPUQuota=40%";
      const show = 'cd "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)" && cat memory.max pids.max cpu.max';
      const seen = await inBuilder("session", `systemd-run --quiet --wait --pipe ${limits} sh -c ${quote(show)}`);
      assert.equal(seen, "52428800\n77\n40000 100000");
      const fill = `sh -c ${quote("x=$(head -c 200M /dev/zero | tr '\\0' x)")}`;
      const result = await inBuilder("session", `systemd-run --wait ${limits} ${fill} 2>&1 || true`);
      assert.match(result, /result: oom-kill/);
    });

    it("lets Docker in a builder run containers with limits", async () => {
      const run = "docker run --rm --memory 50m --pids-limit 77 --cpus 0.4 plain /busybox cat";
      const files = ["memory.max", "pids.max", "cpu.max"].map((name) => `/sys/fs/cgroup/${name}`).join(" ");
      const script = `${containerDropIn}
        systemctl start docker.service
        docker import /busybox.tar plain >/dev/null
        ${run} ${files}`;
      assert.equal(await inBuilder("session", script), "52428800\n77\n40000 100000");
      await powerOff("session");
    });

    it("bakes: `up` goes on with the builder of an `up` whose session was ended in a module, and `destroy` leaves nothing", async () => {
      const once = "if mkdir /root/once; then echo the module is waiting; sleep 100000; fi";
      const recipe = tinyRecipe("one", {
        modules: ["files", "run"],
        run: [once],
        tests: [{ name: "the module ran on the same builder", run: "test -d /root/once" }],
      });
      const settings = { cloud: "local", recipe: "/root/recipe.yaml", verify: false };
      const config = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`ci-images:${key}`, value]));
      await run(`cat >/root/recipe.yaml <<'END_OF_FILE'\n${dump(recipe)}\nEND_OF_FILE\n
        cat >${onHost.checkout}/Pulumi.local.yaml <<'END_OF_FILE'\n${dump({ config })}\nEND_OF_FILE\n`);
      const pulumi = (words: string): string =>
        `cd ${onHost.checkout} && node_modules/.bin/pulumi ${words} --yes --stack local`;
      const up = pulumi("up --skip-preview");
      await inEndedSession("up", `(${up}) >/root/up.log 2>&1`, "grep -q 'the module is waiting' /root/up.log");
      await run(pulumi("cancel"));
      assert.match(await run(up), /\+ \d+ created/);
      assert.match(await run(`ls ${onHost.checkout}/images/debian12/*/`), /^disk\.qcow2$/m);
      await run(pulumi("destroy --skip-preview"));
      assert.equal(await run("ls /root/.cache/ci-images/machines | grep ci-images || true"), "");
      assert.equal(await run("systemctl list-units --all --plain --no-legend 'ci-images-*.scope'"), "");
    });
  });
}
