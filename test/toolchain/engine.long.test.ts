// A tiny Pulumi program on the real engine, in the launcher's environment. Uses the official language host and command
// plugin if they are installed, or else our replacements: the tests hold for both.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { toolchainEnvironment } from "../../toolchain/environment.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { isAlive } from "../is-alive.ts";
import { startSshServer, type SshServer } from "./ssh-server.ts";

const program = `
import * as pulumi from "@pulumi/pulumi";
import * as command from "@pulumi/command";

const config = new pulumi.Config();
const mode = config.get("mode");
// Without this short stack, Node needs half a minute to print an error of a program that tsx loads.
if (mode === "throw") throw Object.assign(new Error("thrown by the program"), { stack: "thrown by the program" });
if (mode === "wait") { console.log("waiting in " + process.pid); setInterval(() => {}, 1e6); await new Promise(() => {}); }
const connection = config.requireSecretObject<{ host: string }>("connection");
const first = new command.remote.Command("first", {
  connection,
  create: config.get("create") ?? "cat",
  update: "echo updated",
  delete: config.require("delete"),
  stdin: config.requireSecret("secret"),
  triggers: [config.get("trigger") ?? ""],
}, { additionalSecretOutputs: ["stdout"], customTimeouts: { create: "3s" } });
export const stdout = first.stdout;
export const length: pulumi.Output<number> = first.stdout.apply((text) => text.length);
`;

describe("a program on the real engine", function () {
  this.timeout(180_000);
  let server: SshServer;
  let folder: string;
  let pulumi: (...args: string[]) => Promise<{ output: string; exitCode: number | undefined }>;
  let environment: NodeJS.ProcessEnv;
  let cli: string;

  beforeEach(async () => {
    server = await startSshServer();
    // A folder name with a space, as users may have one.
    folder = join(await mkdtemp(join(tmpdir(), "ci-images-engine-")), "a project");
    await mkdir(join(folder, ".state"), { recursive: true });
    await writeFile(join(folder, ".state/passphrase"), "test");
    await writeFile(
      join(folder, "Pulumi.yaml"),
      'name: t\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n    nodeargs: "--import tsx/esm"\n',
    );
    await writeFile(join(folder, "package.json"), '{ "type": "module", "main": "index.ts" }');
    await writeFile(join(folder, "index.ts"), program);
    await symlink(join(projectDirectory, "node_modules"), join(folder, "node_modules"));
    const own = { ...process.env, PULUMI_BACKEND_URL: undefined, PULUMI_CONFIG_PASSPHRASE: undefined };
    ({ cli, env: environment } = toolchainEnvironment(folder, own));
    pulumi = async (...args) => {
      const options = { cwd: folder, env: environment, extendEnv: false, all: true, reject: false } as const;
      const { all, exitCode } = await execa(cli, [...args, "--non-interactive"], options);
      return { output: all, exitCode };
    };
    await pulumi("stack", "init", "test");
    const { port, privateKey, hostKey } = server;
    const connection = { host: "127.0.0.1", port, user: "root", privateKey, hostKey, dialErrorLimit: 1 };
    await pulumi("config", "set", "--secret", "connection", JSON.stringify(connection));
    await pulumi("config", "set", "--secret", "secret", "sesame");
    await pulumi("config", "set", "delete", `echo deleted >> '${folder}/deleted'`);
  });
  afterEach(async () => {
    await server.stop();
    await rm(join(folder, ".."), { recursive: true });
  });

  const up = () => pulumi("up", "--yes", "--skip-preview");

  it("can create, update, replace on a trigger and delete a resource, and shows no changes in between", async () => {
    const preview = await pulumi("preview", "--diff");
    assert.equal(preview.exitCode, 0, preview.output);
    assert.doesNotMatch(preview.output, /sesame|PRIVATE KEY/);

    const created = await up();
    assert.equal(created.exitCode, 0, created.output);
    assert.doesNotMatch(created.output, /PRIVATE KEY/);
    const outputs = await pulumi("stack", "output", "--json", "--show-secrets");
    assert.deepEqual(JSON.parse(outputs.output), { stdout: "sesame", length: 6 });
    const state = await readFile(join(folder, ".state/.pulumi/stacks/t/test.json"), "utf8");
    assert.doesNotMatch(state, /sesame|PRIVATE KEY/);

    const again = await pulumi("preview", "--expect-no-changes");
    assert.equal(again.exitCode, 0, again.output);
    const refreshed = await pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
    assert.equal(refreshed.exitCode, 0, refreshed.output);
    assert.deepEqual(server.commands, ["cat"]);

    await pulumi("config", "set", "create", "cat; true");
    const updated = await up();
    assert.match(updated.output, /~ 1 updated/);
    assert.equal(server.commands.at(-1), "echo updated");

    await pulumi("config", "set", "trigger", "other");
    const replaced = await up();
    assert.match(replaced.output, /\+-1 replaced/);

    const destroyed = await pulumi("destroy", "--yes", "--skip-preview");
    assert.equal(destroyed.exitCode, 0, destroyed.output);
    assert.equal(await readFile(join(folder, "deleted"), "utf8"), "deleted\ndeleted\n");
  });

  it("shows why a command failed, and stops one that exceeds its customTimeouts", async () => {
    await pulumi("config", "set", "create", "echo last words; exit 3");
    const failed = await up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.output, /Process exited with status 3: running "echo last words; exit 3":\n\s+last words/);
    await pulumi("config", "set", "create", "sleep 60");
    const late = await up();
    assert.match(late.output, /did not end within 3 s \(customTimeouts\)|deadline exceeded/);
  });

  it("shows the error that it throws", async () => {
    await pulumi("config", "set", "mode", "throw");
    const { output, exitCode } = await up();
    assert.notEqual(exitCode, 0);
    assert.match(output, /thrown by the program/);
  });

  it("leaves no process behind if the engine is killed", async () => {
    await pulumi("config", "set", "mode", "wait");
    const options = { cwd: folder, env: environment, extendEnv: false, reject: false } as const;
    const running = execa(cli, ["up", "--yes", "--skip-preview", "--non-interactive"], options);
    let output = "";
    for (; !/waiting in \d+/.test(output);) {
      output += await new Promise<string>((resolve) => running.stdout.once("data", (data) => resolve(String(data))));
    }
    const pid = Number(/waiting in (\d+)/.exec(output)![1]);
    running.kill("SIGKILL");
    await running;
    for (let tries = 0; tries < 100; tries++) {
      if (!isAlive(pid)) return;
      await sleep(100);
    }
    assert.fail(`the program (${pid}) still runs 10 s after the engine was killed`);
  });
});
