// Scripts that modules record, run by the real bash in their own namespace.
import assert from "node:assert/strict";
import { findDistribution } from "../../provision/distributions.ts";
import { RecordingRoot, type Step } from "../../provision/plan/root.ts";
import { quote } from "../../provision/shell/shell.ts";
import { shellModule } from "../../provision/recipe/shell-module.ts";
import { inNamespace } from "./bash.ts";

function newRoot(distribution = "debian12"): RecordingRoot {
  return new RecordingRoot({
    module: "it",
    distribution: findDistribution(distribution),
    folder: ".",
    requireSecret: () => {},
  });
}

const scriptOf = (steps: readonly Step[]) => steps.map((step) => (step.kind === "script" ? step.script : "")).join("");
const strict = "set -euo pipefail\n";

describe("the recording root", () => {
  it("writes files byte by byte, with mode, owner and parent folders, even when it runs twice", async () => {
    const root = newRoot();
    const contents = ["no line break", "", "one\n", 'it\'s $HOME `x` \\ "q"\r\nEND_OF_TEXT\nend\n'];
    contents.forEach((content, index) =>
      root.file(`/run/new folder/deep/${index}`, content, { mode: "0640", owner: "root:root" }),
    );
    const script = scriptOf(root.steps);
    const show =
      "cd '/run/new folder/deep'\nstat -c '%a %U:%G' -- *\nfor file in *; do base64 -w 0 <\"$file\"; echo; done\n";
    const { stdout, stderr, exitCode } = await inNamespace(`${strict}${script}${script}${show}`);
    assert.equal(exitCode, 0, String(stderr));
    const lines = String(stdout).split("\n");
    assert.deepEqual(lines.slice(0, 4), Array(4).fill("640 root:root"));
    const read = lines.slice(4).map((line) => Buffer.from(line, "base64").toString());
    assert.deepEqual(read, contents);
  });

  it("isolates scripts from each other's cd, exit and variables", async () => {
    const root = newRoot();
    root.run("cd /tmp; leak=yes; exit 0");
    root.run('echo "$PWD ${leak-no}"');
    const { stdout } = await inNamespace(`${strict}${scriptOf(root.steps)}`);
    assert.equal(stdout, "/ no");
  });

  it("lets a script turn on bash's extended patterns, which don't reach the next script", async () => {
    const root = newRoot();
    root.run("shopt -s nullglob extglob\ncase one in @(one|two)) echo matches ;; esac");
    root.run("shopt -q extglob || echo off");
    const { stdout, stderr } = await inNamespace(`${strict}${scriptOf(root.steps)}`);
    assert.deepEqual([stdout, stderr], ["matches\noff", ""]);
  });

  it("updates apt's lists once, and again after a failure or after the sources have changed", async () => {
    const root = newRoot();
    root.packages(["one"]);
    const install = scriptOf(root.steps);
    const fake =
      'apt-get() { case $* in *update) echo update; [ ! -e /run/offline ] ;; *) echo "install ${*: -1}" ;; esac; }\n';
    const world =
      "mount -t tmpfs tmpfs /etc/apt\nmkdir /etc/apt/sources.list.d\ntouch -d '1 hour ago' /etc/apt/sources.list /etc/apt/sources.list.d\n";
    const change = "touch -d '1 minute' /etc/apt/sources.list.d/new.list\n";
    // In another bash, because `set -e` has no effect to the left of `||`.
    const offline = `export -f apt-get; touch /run/offline; bash -euo pipefail -c ${quote(install)} || echo failed; rm /run/offline\n`;
    const script = `${strict}${world}${fake}${offline}${install}${install}${change}${install}`;
    const { stdout, stderr } = await inNamespace(script);
    const online = ["update", "install one", "install one", "update", "install one"];
    assert.deepEqual(String(stdout).split("\n"), ["update", "failed", ...online], String(stderr));
  });

  it("fetches nothing if all packages are installed", async () => {
    const install = (...names: string[]) => {
      const root = newRoot();
      root.packages(names);
      return scriptOf(root.steps);
    };
    const fake = 'apt-get() { echo "apt-get ${*: -1}"; }\napt-mark() { echo "apt-mark $*" >&2; }\n';
    const world = "mount -t tmpfs tmpfs /etc/apt\n";
    const { stdout, stderr } = await inNamespace(`${strict}${world}${fake}${install("bash", "coreutils", "bash")}`);
    assert.deepEqual([String(stdout), String(stderr)], ["", "apt-mark manual bash coreutils"]);
    for (const names of [["bash", "no-such-package"], ["bash-"], ["bash=1"]]) {
      const run = await inNamespace(`${strict}${world}${fake}${install(...names)}`);
      assert.equal(String(run.stdout), `apt-get update\napt-get ${names.at(-1)}`);
    }
  });

  it("refuses bad package names, paths and modes, and uses the distribution's own package and init tools", () => {
    const root = newRoot("ubuntu14.04");
    assert.throws(() => root.packages(["--reinstall"]), { name: "UserError" });
    assert.throws(() => root.file("etc/x", ""), { name: "UserError", message: /absolute path/ });
    assert.throws(() => root.file("/etc/x", "", { mode: "rw" }), { name: "UserError", message: /mode/ });
    root.enable("nginx.service");
    assert.match(scriptOf(root.steps), /update-rc\.d nginx defaults\nservice nginx start/);
    const old = newRoot("centos7");
    old.packages({ apt: ["no"], dnf: ["git"] });
    assert.match(scriptOf(old.steps), /^rpm --query --quiet git \|\| yum -y install git\n$/);
    const none = newRoot();
    none.packages({ dnf: ["git"] });
    assert.deepEqual(none.steps, []);
  });

  it("passes a shell module its own settings, in the environment and as JSON", async () => {
    const root = newRoot();
    const text = `#!/bin/bash
# Greets people.
# secrets: TOKEN
echo "$MODULE $DISTRIBUTION $LOGIN_USER"
echo "$CFG_GREETING|$CFG_TIMES_A_DAY|$CFG_NAMES|$CFG_MORE|$SECRET_TOKEN|\${CFG_OTHER-none}"
cat "$CFG_FILE"
`;
    const module = shellModule("/x/greet.sh", text);
    assert.equal(module.description, "Greets people.");
    const greet = { greeting: "it's $me", "times-a-day": 3, names: ["a b", "c"], more: { x: [1] } };
    await module.modify("greet", root, { greet, other: { other: 1 } });
    const { stdout, stderr, exitCode } = await inNamespace(`${strict}${scriptOf(root.steps)}`);
    assert.equal(exitCode, 0, String(stderr));
    const [first, ...rest] = String(stdout).split("\n");
    assert.equal(first, "greet debian12 debian");
    const json = rest.findIndex((line) => line === "{");
    assert.equal(rest.slice(0, json).join("\n"), `it's $me|3|a b\nc|{"x":[1]}|/run/ci-images/secrets/TOKEN|none`);
    assert.deepEqual(JSON.parse(rest.slice(json).join("\n")), greet);
  });
});
