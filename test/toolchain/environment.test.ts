// Which CLI runs, and in which environment: the user's choice always wins.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { defaultState, toolchainEnvironment } from "../../toolchain/environment.mjs";
import { commandPluginVersion, compareVersions, projectDirectory, pulumiVersion } from "../../toolchain/versions.mjs";
import { writeProgram } from "./program.ts";

describe("the toolchain's environment", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-environment-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Writes an executable that runs a shell script. @returns its path. */
  async function executable(path: string, script: string): Promise<string> {
    const file = join(folder, path);
    await writeProgram(file, script);
    return file;
  }

  const systemPath = [dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter);

  /** A user's environment in which only PULUMI_HOME has a Pulumi CLI. */
  async function user(extra: NodeJS.ProcessEnv = {}): Promise<NodeJS.ProcessEnv> {
    await executable(`home/versions/${pulumiVersion}/bin/pulumi`, `echo v${pulumiVersion}`);
    return { PATH: systemPath, PULUMI_HOME: join(folder, "home"), ...extra };
  }

  it("keeps state in the project by default, with its own passphrase", async () => {
    const { env } = toolchainEnvironment(folder, await user());
    assert.equal(env.PULUMI_BACKEND_URL, `file://${folder}/.state?metadata=skip`);
    assert.equal(env.PULUMI_CONFIG_PASSPHRASE_FILE, defaultState(folder).passphraseFile);
  });

  it("keeps state in the project whatever the folder's name, as Jenkins' workspaces of branches have it", async () => {
    const { cli, env } = toolchainEnvironment();
    const project = join(folder, "feature%2Ffoo 50% a#b q?x ä");
    const { directory, url } = defaultState(project);
    await mkdir(directory, { recursive: true });
    await writeFile(join(project, "Pulumi.yaml"), "name: ci-images\nruntime: nodejs\n");
    const environment = { ...env, PULUMI_BACKEND_URL: url, PULUMI_CONFIG_PASSPHRASE: "test" };
    await execa(cli, ["stack", "init", "local", "--non-interactive"], {
      ...{ cwd: project, env: environment, extendEnv: false },
    });
    assert.ok(existsSync(join(directory, ".pulumi/stacks/ci-images/local.json")));
  });

  it("allows more parallel operations than the CLI's default, unless the user sets a number", async () => {
    assert.equal(toolchainEnvironment(folder, await user()).env.PULUMI_PARALLEL, "64");
    assert.equal(toolchainEnvironment(folder, await user({ PULUMI_PARALLEL: "2" })).env.PULUMI_PARALLEL, "2");
  });

  it("keeps the user's own backend and passphrase", async () => {
    const shared = toolchainEnvironment(folder, await user({ PULUMI_BACKEND_URL: "s3://team" })).env;
    assert.equal(shared.PULUMI_BACKEND_URL, "s3://team");
    assert.equal(shared.PULUMI_CONFIG_PASSPHRASE_FILE, undefined);
    const own = toolchainEnvironment(folder, await user({ PULUMI_CONFIG_PASSPHRASE: "" })).env;
    assert.equal(own.PULUMI_CONFIG_PASSPHRASE, "");
    assert.equal(own.PULUMI_CONFIG_PASSPHRASE_FILE, undefined);
  });

  it("keeps the backend that Pulumi.yaml names, unless PULUMI_BACKEND_URL names another", async () => {
    const backendOf = async (text: string, extra: NodeJS.ProcessEnv = {}) => {
      await writeFile(join(folder, "Pulumi.yaml"), `name: ci-images\n${text}runtime:\n  url: no\n`);
      const { env } = toolchainEnvironment(folder, await user(extra));
      assert.equal(
        env.PULUMI_CONFIG_PASSPHRASE_FILE === undefined,
        env.PULUMI_BACKEND_URL !== defaultState(folder).url,
      );
      return env.PULUMI_BACKEND_URL;
    };
    for (const text of [
      "backend:\n  url: s3://team\n",
      "backend: # ours\n\n  # url: no\n  other: x\n  url: 's3://team' # shared\n",
      'backend: { url: "s3://team" }\n',
      'backend: {"url": "s3://team"}\n',
    ]) {
      assert.equal(await backendOf(text), undefined, text);
      assert.equal(await backendOf(text, { PULUMI_BACKEND_URL: "gs://other" }), "gs://other");
    }
    for (const text of ["", "# backend:\n#   url: s3://team\n", "backend:\n  # url: s3://team\n", "backend: {}\n"])
      assert.equal(await backendOf(text), defaultState(folder).url, text);
  });

  it("leaves out an SSH agent that is gone, which the official command plugin would dial in vain", async () => {
    const agentOf = async (path: string) =>
      toolchainEnvironment(folder, await user({ SSH_AUTH_SOCK: path })).env.SSH_AUTH_SOCK;
    const [gone, link] = [join(folder, "gone"), join(folder, "link")];
    assert.equal(await agentOf(gone), "");
    const agent = createServer().listen(join(folder, "agent"));
    await once(agent, "listening");
    await symlink(join(folder, "agent"), link);
    assert.equal(await agentOf(join(folder, "agent")), join(folder, "agent"));
    assert.equal(await agentOf(link), link);
    agent.close();
    // A killed agent leaves its socket.
    const program = `require("net").createServer().listen(${JSON.stringify(gone)}, () => process.kill(process.pid, 9))`;
    await execa(process.execPath, ["-e", program], { reject: false });
    assert.ok(existsSync(gone));
    assert.equal(await agentOf(gone), "");
    assert.equal(toolchainEnvironment(folder, await user()).env.SSH_AUTH_SOCK, undefined);
  });

  it("runs an official CLI on PATH if it is new enough", async () => {
    const environment = await user();
    const newer = await executable("new/pulumi", "echo v3.999.0");
    const older = await executable("old/pulumi", "echo v3.100.0");
    const other = await executable("next/pulumi", "echo v4.0.0");
    const choose = (...clis: string[]) =>
      toolchainEnvironment(folder, { ...environment, PATH: [...clis.map(dirname), systemPath].join(delimiter) }).cli;
    assert.equal(choose(newer), newer);
    assert.equal(choose(older, newer), newer);
    assert.match(choose(older, other), /versions\/.*\/bin\/pulumi$/);
  });

  it("does not mistake this project's launcher for a CLI", async () => {
    const environment = await user();
    await mkdir(join(folder, "bin"));
    await symlink(join(projectDirectory, "toolchain/launcher/bin/pulumi"), join(folder, "bin/pulumi"));
    const PATH = [join(folder, "bin"), join(projectDirectory, "node_modules/.bin"), systemPath].join(delimiter);
    const { cli } = toolchainEnvironment(folder, { ...environment, PATH });
    assert.equal(cli, join(folder, "home/versions", pulumiVersion, "bin/pulumi"));
  });

  it("names the command that installs a missing CLI", () => {
    const environment = { PATH: systemPath, PULUMI_HOME: join(folder, "empty") };
    assert.throws(() => toolchainEnvironment(folder, environment), /no Pulumi CLI.*\n.*node toolchain\/setup\.mjs/);
  });

  it("adds our replacements for missing parts at the end of PATH", async () => {
    const environment = await user();
    const both = toolchainEnvironment(folder, environment);
    assert.deepEqual(both.standIns, ["language host", "command plugin"]);
    assert.ok(both.env.PATH?.startsWith(systemPath));

    await executable(`home/versions/${pulumiVersion}/bin/pulumi-language-nodejs`, "");
    assert.deepEqual(toolchainEnvironment(folder, environment).standIns, ["command plugin"]);

    const plugin = `home/plugins/resource-command-v${commandPluginVersion(projectDirectory)}`;
    await executable(`${plugin}/pulumi-resource-command`, "");
    assert.deepEqual(toolchainEnvironment(folder, environment).standIns, []);
    await writeFile(join(folder, `${plugin}.partial`), "");
    assert.deepEqual(toolchainEnvironment(folder, environment).standIns, ["command plugin"]);
  });

  it("uses official parts from PATH", async () => {
    const environment = await user();
    const host = await executable("official/pulumi-language-nodejs", "");
    await executable("official/pulumi-resource-command", "");
    const PATH = [dirname(host), systemPath].join(delimiter);
    assert.deepEqual(toolchainEnvironment(folder, { ...environment, PATH }).standIns, []);
  });

  it("compares versions numerically", () => {
    assert.ok(compareVersions("3.9.0", "3.10.0") < 0);
    assert.ok(compareVersions("v3.230.1", "3.230.0") > 0);
    assert.equal(compareVersions("3.230.0-dev.1+dirty", "3.230.0"), 0);
  });

  describe("in the launcher", () => {
    const launcher = join(projectDirectory, "node_modules/.bin/pulumi");

    it("is the CLI's, which replaces the launcher's process and gets its arguments", async () => {
      const cli = await executable(
        "cli/pulumi",
        '[ "$1" = version ] && echo v3.999.0 && exit; echo "$$ $1 $PULUMI_BACKEND_URL"; exit 7',
      );
      const running = execa(launcher, ["it's one argument"], {
        reject: false,
        extendEnv: false,
        env: {
          ...process.env,
          PATH: [dirname(cli), process.env.PATH].join(delimiter),
          PULUMI_BACKEND_URL: "file:///x",
        },
      });
      const { pid } = running;
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 7);
      assert.equal(stdout, `${pid} it's one argument file:///x`);
    });

    it("lets an interrupt reach the CLI exactly once", async () => {
      const cli = await executable(
        "cli/pulumi",
        `[ "$1" = version ] && echo v3.999.0 && exit
        trap 'echo interrupted' INT
        echo ready; sleep 0.5 & wait; sleep 0.3; exit 0`,
      );
      const running = execa(launcher, ["up"], {
        reject: false,
        extendEnv: false,
        detached: true,
        env: {
          ...process.env,
          PATH: [dirname(cli), process.env.PATH].join(delimiter),
          PULUMI_BACKEND_URL: "file:///x",
        },
      });
      // Like a terminal, signal the whole process group.
      running.stdout.once("data", () => process.kill(-running.pid!, "SIGINT"));
      const { stdout } = await running;
      assert.deepEqual(stdout.match(/interrupted/g), ["interrupted"]);
    });
  });
});
