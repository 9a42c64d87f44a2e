// Scripts rendered for the builder, run by the real bash in a namespace with its own /run.
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { moduleCommand, settleCommand, testsCommand } from "../../provision/builder/commands.ts";
import type { ModulePlan } from "../../provision/plan/plan.ts";
import type { Check } from "../../provision/plan/root.ts";
import { maskProgram, renderProgram, type Program } from "../../provision/builder/runner.ts";
import { inNamespace } from "./bash.ts";

/** Runs a script as a module's only step. */
function run(script: string, more: Partial<Program> = {}) {
  return inNamespace(program(script, more));
}

function program(script: string, more: Partial<Program> = {}): string {
  const cures = { timeoutCure: "allow it more", failureCure: "do something" };
  return renderProgram({ title: "module it's", script, timeoutSeconds: 20, ...cures, ...more });
}

const check = (what: string, script: string, timeoutSeconds = 20): Check => ({
  module: "m",
  what,
  script,
  timeoutSeconds,
});

/** A module with one script. */
function planOf(script: string): ModulePlan {
  const hashes = { hash: "", prefixHash: "", settingsHash: "" };
  const settings = { settings: undefined, settingsKey: "x" };
  return {
    ...{ name: "x", ...hashes, ...settings, uploads: [], steps: [{ kind: "script", script }], checks: [] },
    ...{ timeoutSeconds: 60, usesSecrets: [] },
  };
}

/** A machine with empty lists of apt, and with apt's daily service. */
const aptWithDaily = `
mount -t tmpfs tmpfs /var/lib/apt && mkdir /var/lib/apt/lists
mkdir -p /run/apt && printf '#!/bin/sh\n' >/run/apt/apt.systemd.daily && chmod +x /run/apt/apt.systemd.daily
mkdir -p /usr/lib/apt && mount --bind /run/apt /usr/lib/apt
`;

describe("programs for the builder", function () {
  this.timeout(120_000);

  it("pass on the script's output and exit status, and run it with umask 022 and a sane environment", async () => {
    const { stdout, stderr, exitCode } = await run(
      'echo out; echo err >&2; umask; echo "$HOME $DEBIAN_FRONTEND"; pwd\n',
    );
    assert.deepEqual([stdout, stderr, exitCode], ["out\n0022\n/root noninteractive\n/", "err", 0]);
  });

  it("give child processes an empty standard input, so that they can't swallow the script", async () => {
    const { stdout, exitCode } = await run("cat\nread -r line || echo nothing to read\nbash -c cat\necho end\n");
    assert.deepEqual([stdout, exitCode], ["nothing to read\nend", 0]);
  });

  it("run a long script although /tmp is full, and don't leak our TMPDIR into it", async () => {
    const fill = "mount -t tmpfs -o size=4k tmpfs /tmp; head -c 4096 /dev/zero >/tmp/full\n";
    const script = `${`# ${"x".repeat(100)}\n`.repeat(3000)}echo "ran \${TMPDIR-without}"\n`;
    const { stdout, stderr, exitCode } = await inNamespace(`${fill}${program(script)}`);
    assert.deepEqual([stdout, stderr, exitCode], ["ran without", "", 0]);
  });

  it("report a failing command with module, exit status, line, command and cure", async () => {
    const { stdout, stderr, exitCode } = await run(
      "echo before\n(\n  x=$(false; echo fine)\n  ls /nowhere$x\n)\necho after\n",
    );
    assert.equal(stdout, "before");
    assert.equal(exitCode, 2);
    const lines = String(stderr).split("\n").slice(1);
    assert.deepEqual(lines, [
      "ci-images: module it's failed with exit status 2 at line 4 of its script: ls /nowhere$x",
      "do something",
    ]);
  });

  it("wait for apt's daily service and other holders of apt's locks, and then keep the service waiting", async () => {
    const daily = `(exec 9>>/var/lib/apt/daily_lock; flock 9; sleep 3; touch /run/daily-is-done) & sleep 0.3\n`;
    const held = `import fcntl, time; f = open("/var/lib/apt/lists/lock", "w"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(6); open("/run/lists-are-done", "w")`;
    const lists = `python3 -c '${held}' & until [ -e /var/lib/apt/lists/lock ]; do sleep 0.1; done; sleep 0.3\n`;
    const script =
      "test -e /run/daily-is-done; test -e /run/lists-are-done; ! flock --nonblock /var/lib/apt/daily_lock true\n";
    const { stderr, exitCode } = await inNamespace(`${aptWithDaily}${daily}${lists}${program(script)}`);
    const waits = [
      "ci-images: waiting until apt's daily service has ended",
      "ci-images: waiting until another apt has ended",
    ];
    assert.deepEqual([String(stderr).split("\n"), exitCode], [waits, 0]);
  });

  it("don't take the lock of another machine's file for apt's because it has the same number", async () => {
    const files = "touch /var/lib/apt/lists/lock; mount -t tmpfs tmpfs /mnt\n";
    // Only locks of this kind are seen from other process namespaces; 37 is F_OFD_SETLK.
    const hold = `import fcntl, itertools, os, struct, time
number = os.stat("/var/lib/apt/lists/lock").st_ino
same = next(f for f in (open(f"/mnt/{i}", "w") for i in itertools.count()) if os.fstat(f.fileno()).st_ino == number)
fcntl.fcntl(same, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
open("/run/held", "w")
time.sleep(3)`;
    const other = `python3 -c '${hold}' & until [ -e /run/held ]; do sleep 0.1; done\n`;
    const { stdout, stderr } = await inNamespace(`${aptWithDaily}${files}${other}${program("echo fine\n")}`);
    assert.deepEqual([stdout, stderr], ["fine", ""]);
  });

  it("work if apt's lock can't be created", async () => {
    const { stdout, exitCode } = await inNamespace(
      `mount -t tmpfs -o ro tmpfs /var/lib/apt\n${program("echo fine\n")}`,
    );
    assert.deepEqual([stdout, exitCode], ["fine", 0]);
  });

  it("release apt's lock even if the step leaves a process behind", async () => {
    const after = `\nflock --nonblock /var/lib/apt/daily_lock echo free\n`;
    const { stdout } = await inNamespace(`(${program("sleep 60 >/dev/null 2>&1 &\n")})${after}`);
    assert.equal(stdout, "free");
  });

  it("fail on an unset variable, a failing pipe and a syntax error", async () => {
    for (const script of ['echo "$nothing"\n', "false | true\n", "if true; then\n", "exit 7\n"]) {
      const { stderr, exitCode } = await run(script);
      assert.notEqual(exitCode, 0, script);
      assert.match(String(stderr), /module it's failed with exit status/, script);
    }
  });

  it("stop a script with all its children at the time limit, and say so", async () => {
    const began = Date.now();
    const script = "echo begun\nsleep 4711 &\nsleep 4711\n";
    const { stdout, stderr, exitCode } = await inNamespace(
      `(${program(script, { timeoutSeconds: 1 })}) || echo "ended $?"; pgrep -xc -f 'sleep 4711'`,
    );
    assert(Date.now() - began < 10_000);
    assert.equal(exitCode, 1, "pgrep finds none");
    assert.match(String(stdout), /^begun\nended 124\n0$/);
    assert.match(String(stderr), /module it's was ended after its time limit of 1 seconds\. allow it more/);
  });

  it("don't wait for a background process that keeps the output open", async () => {
    const began = Date.now();
    const { stdout, stderr, exitCode } = await run("sleep 6 &\necho done\n");
    assert(Date.now() - began < 5_000);
    assert.deepEqual([stdout, exitCode], ["done", 0]);
    assert.match(String(stderr), /left a process behind/);
  });

  it("keep secrets in files for root while the script runs, and mask them in all output", async () => {
    const secrets = { ONE: "s3/cr.et*[x]$'\"\\", KEY: "-----BEGIN-----\nabcdefgh\n}\n" };
    const script = `cd /run/ci-images/secrets
stat -c '%n %a %U' -- *
cat ONE KEY
cat ONE >&2
cmp ONE <(printf '%s' ${`'${secrets.ONE.replaceAll("'", `'\\''`)}'`}) && echo same
false "$(cat ONE)"
`;
    const { stdout, stderr, exitCode } = await inNamespace(
      `(${program(script, { secrets })}) || echo "ended $?"; ls -A /run/ci-images`,
    );
    const lines = String(stdout).split("\n");
    assert.deepEqual(lines, ["KEY 600 root", "ONE 600 root", "******", "***", "}", "same", "ended 1"]);
    assert.match(String(stderr), /^\*\*\*ci-images: module it's failed/);
    assert(!`${String(stdout)}${String(stderr)}`.includes("cr.et"));
    assert.equal(exitCode, 0);
  });

  it("have the variables of the proxy that a module before has set, and mask its password there", async () => {
    const secrets = { WORD: "p@ss(w)ürd" };
    const proxy = "http://ci:p%40ss%28w%29%C3%BCrd@proxy.example.com:3128";
    const put = `mount -t tmpfs tmpfs /etc; echo 'https_proxy=${proxy}' >/etc/proxy.env\n`;
    const { stdin } = moduleCommand(planOf("env | grep _proxy= || true\n"), 0, secrets);
    const { stdout } = await inNamespace(`${put}${stdin}`);
    assert.equal(stdout, "https_proxy=http://ci:***@proxy.example.com:3128");
    assert.equal((await inNamespace(stdin)).stdout, "");
  });

  it("mask each line of a secret, except very short lines", () => {
    assert.equal(
      maskProgram(["a.b", "first line\n}\nlonger line here\n"]),
      "s/longer line here/***/g\ns/first line/***/g\ns/a\\.b/***/g\n",
    );
  });

  it("stop an earlier run that still works after a lost connection, then run", async () => {
    const first = program("echo first begun >/run/begun\nsleep 4712\necho first went on >>/run/begun\n");
    const second = program("echo second\n");
    const script = `bash -s <<'FIRST' >/dev/null 2>&1 &\n${first}FIRST\nfor i in {1..100}; do [ -e /run/begun ] && break; sleep 0.1; done\nbash -s <<'SECOND'\n${second}SECOND\nwait\ncat /run/begun; pgrep -xc -f 'sleep 4712' || true\n`;
    const { stdout, stderr } = await inNamespace(script);
    assert.equal(stdout, "second\nfirst begun\n0");
    assert.match(String(stderr), /an earlier run is still at work/);
  });

  it("mark the machine as a builder before anything else, also one that starts from a layer without the mark", async () => {
    const cloudInit = '#!/bin/sh\n[ ! -e /var/lib/ci-images/builder ] || echo "cloud-init $1, on a builder"\n';
    const machine = [
      "mount -t tmpfs tmpfs /var/lib",
      "mkdir -p /var/lib/ci-images/record",
      // The record is complete, as in a layer, so that the files of this computer are not listed.
      "touch /var/lib/ci-images/record/complete",
      "mount -t tmpfs tmpfs /usr/local/sbin",
      `install -m 0755 /dev/stdin /usr/local/sbin/cloud-init <<'END'\n${cloudInit}END`,
    ].join("\n");
    const { stdin } = settleCommand(true);
    const { stdout, exitCode } = await inNamespace(`${machine}\n( ${stdin} )\nls /var/lib/ci-images`);
    assert.deepEqual([stdout, exitCode], ["cloud-init status, on a builder\nbuilder\nrecord", 0]);
  });

  it("refuse to run on a machine that was told to reboot and has not rebooted", async () => {
    const { stdout, stderr, exitCode } = await inNamespace(
      `mkdir -p /run/ci-images; touch /run/ci-images/rebooting\n${program("echo ran\n")}`,
    );
    assert.deepEqual([stdout, exitCode], ["", 1]);
    assert.match(String(stderr), /told to reboot and has not/);
  });

  it("run every acceptance test, and print a line for each, the last lines of failed ones, and the count", async () => {
    const { stdin } = testsCommand([
      check("first's", "true"),
      check("fails", "seq 30\nfalse\necho not here"),
      check("reads nothing", "! grep -q ."),
      check("slow", "echo begun\nsleep 20", 1),
      check("unset", 'echo "$nothing"'),
      check("last", "cat <<END_OF_TEXT\nx\nEND_OF_TEXT"),
    ]);
    const { stdout, exitCode } = await inNamespace(stdin);
    const lines = String(stdout).split("\n");
    assert.equal(exitCode, 1);
    assert.equal(lines[0], "ok - m: first's");
    assert.equal(lines[1], "not ok - m: fails (exit status 1)");
    assert.deepEqual(
      lines.slice(2, 22),
      Array.from({ length: 20 }, (_, index) => `    ${index + 11}`),
    );
    const verdicts = lines.slice(22).filter((line) => !line.startsWith(" "));
    assert.deepEqual(verdicts, [
      "ok - m: reads nothing",
      "not ok - m: slow (ended after its time limit of 1 seconds)",
      "not ok - m: unset (exit status 1)",
      "ok - m: last",
      "3 passed, 3 failed",
    ]);
  });

  it("run independent acceptance tests two at a time, and print their verdicts in order", async function () {
    if (availableParallelism() < 2) this.skip();
    const beside = (what: string, script: string) => ({ ...check(what, script), independent: true });
    const meet = (own: string, other: string) =>
      `[ -e /run/before ]; : >/run/${own}; until [ -e /run/${other} ]; do sleep 0.1; done`;
    const { stdin } = testsCommand([
      check("before", "sleep 0.5; : >/run/before"),
      beside("one", `${meet("one", "two")}; sleep 0.5; echo 'ci-images found: a thing'`),
      beside("two", meet("two", "one")),
      beside("three", "echo why; false"),
      check("after", "[ -e /run/two ]"),
      beside("last", "true"),
    ]);
    const { stdout } = await inNamespace(stdin);
    assert.deepEqual(String(stdout).split("\n"), [
      "ok - m: before",
      "ok - m: one: a thing",
      "ok - m: two",
      "not ok - m: three (exit status 1)",
      "    why",
      "ok - m: after",
      "ok - m: last",
      "5 passed, 1 failed",
    ]);
  });

  it("let acceptance tests pipe much output into a command that stops reading early", async () => {
    const { stdin } = testsCommand([check("long", "seq 100000 | grep -q 1"), check("none", "seq 100000 | grep -q x")]);
    const { stdout } = await inNamespace(stdin);
    assert.equal(stdout, "ok - m: long\nnot ok - m: none (exit status 1)\n1 passed, 1 failed");
  });

  it("exit with status 0 if all acceptance tests pass", async () => {
    const { stdout, exitCode } = await inNamespace(testsCommand([check("a", "true")]).stdin);
    assert.deepEqual([stdout, exitCode], ["ok - m: a\n1 passed, 0 failed", 0]);
  });

  it("have files only for the secrets that the module uses, mask all secrets, and are marked as secret", async () => {
    const plan: ModulePlan = {
      ...planOf("true\n"),
      steps: [{ kind: "script", script: "true\n" }, { kind: "reboot" }],
      usesSecrets: ["A"],
    };
    const command = moduleCommand(plan, 0, { A: "value-a", B: "value-b" });
    assert(command.isSecret && command.stdin.includes("secrets/A") && !command.stdin.includes("secrets/B"));
    const printing = { ...plan, steps: [{ kind: "script" as const, script: "echo value-a value-b\n" }] };
    const { stdout } = await inNamespace(moduleCommand(printing, 0, { A: "value-a", B: "value-b" }).stdin);
    assert.equal(stdout, "*** ***");
    const tests = testsCommand([check("a", "echo value-b; false")], "image", { B: "value-b" });
    assert.match(String((await inNamespace(tests.stdin)).stdout), /^ {4}\*\*\*$/m);
    assert(!command.create.includes("value-a"));
    assert.equal(moduleCommand({ ...plan, usesSecrets: [] }, 1, {}).isSecret, false);
    assert.throws(() => moduleCommand(plan, 0, {}), RangeError);
    assert.throws(() => moduleCommand(plan, 2, {}), RangeError);
  });
});
