// Ctrl-C between two steps of a command line, pressed more than once, and at a question.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { automation } from "@pulumi/pulumi";
import { pulumiCommand } from "../../cli/pulumi-command.ts";
import { TemporaryStack } from "../../cli/temporary-stack.ts";
import { startVerb, typeVerb } from "../engine/verbs.ts";
import { isAlive } from "../is-alive.ts";
import { FakeProject } from "./fake-project.ts";

describe("Ctrl-C between two steps", () => {
  let folder: string;
  const before = process.env.TMPDIR;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "interrupted-"));
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(folder, { recursive: true });
  });

  it("prevents further pulumi commands", async () => {
    const interruption = new AbortController();
    const pulumiHome = folder;
    const command: automation.PulumiCommand = pulumiCommand("/bin/echo", interruption.signal);
    const workspace = await automation.LocalWorkspace.create({ workDir: folder, pulumiHome, pulumiCommand: command });
    interruption.abort();
    await assert.rejects(workspace.whoAmI(), { name: "AbortError" });
  });

  it("removes an incomplete temporary stack completely", async () => {
    process.env.TMPDIR = folder;
    // Any failure during creation will do: a function can't be written to the recipe's file.
    await assert.rejects(TemporaryStack.create({ name: () => {} }), /unacceptable kind of an object/);
    assert.deepEqual(await readdir(folder), []);
  });
});

describe("Ctrl-C, pressed again", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let project: FakeProject;
  afterEach(() => project.remove());

  /**
   * Runs `status` with a CLI that hangs. Presses Ctrl-C when it hangs, and again each time that the CLI has noticed the
   * one before, `times` times in all.
   * @param onSignal What the CLI's shell script does on SIGINT.
   */
  async function interrupted(onSignal: string, times: number) {
    project = await FakeProject.make(`"preview "*)
      trap 'log SIGINT; ${onSignal}' INT; echo $$ >"$folder/pid"; log hangs
      while [ -e "$folder" ]; do sleep 0.1; done ;;`);
    const running = startVerb(project, ["status"]);
    for (let press = 0; press < times; press++) {
      await project.hears(/^(hangs|SIGINT)$/, press + 1);
      running.kill("SIGINT");
    }
    const { exitCode, stderr } = await running;
    const pid = Number(await readFile(join(project.directory, "pid"), "utf8"));
    return {
      exitCode,
      stderr,
      isLeft: isAlive(pid),
      heard: (await project.calls()).filter((line) => line === "SIGINT"),
    };
  }

  it("reaches pulumi, which then ends at once and cleans up, before the verb ends", async () => {
    const { exitCode, stderr, isLeft, heard } = await interrupted(
      "n=$((n + 1)); [ $n = 2 ] && sleep 1 && log unlocked && exit 255",
      2,
    );
    assert.match(stderr, /stopping cleanly; press Ctrl-C again/);
    assert.equal(exitCode, 1);
    assert.deepEqual([heard.length, isLeft], [2, false]);
    assert.equal((await project.calls()).at(-1), "unlocked");
  });

  it("a third time kills a pulumi that hangs", async () => {
    const { exitCode, isLeft } = await interrupted("", 3);
    assert.deepEqual([exitCode, isLeft], [1, false]);
  });
});

describe("Ctrl-C in `build`", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let project: FakeProject;
  afterEach(() => project.remove());

  /**
   * Runs `build` with a CLI that hangs in the bake. Presses Ctrl-C when it hangs, and whenever the CLI logs the next
   * one of `moments`. As at a terminal, every process of the group gets the signal.
   */
  async function build(destroy: string, onSignal: string, ...moments: RegExp[]) {
    project = await FakeProject.make(`"stack init") echo "$3" >$folder/name ;;
      "stack ls") echo "[{\\"name\\":\\"$(cat $folder/name)\\",\\"current\\":true}]" ;;
      "up "*) trap 'log SIGINT; n=$((n + 1)); ${onSignal}' INT; log hangs
        while [ -e "$folder" ]; do sleep 0.1; done ;;
      "destroy "*) trap 'log interrupted; exit 255' INT; log destroys; sleep 1; log destroyed; ${destroy} ;;`);
    const temporary = join(project.directory, "tmp");
    await mkdir(temporary);
    await writeFile(join(project.directory, "build.yaml"), "modules: [run]\nrun: ['true']\n");
    const place = { directory: project.directory, environment: { ...project.environment, TMPDIR: temporary } };
    const running = startVerb(place, ["build"], { detached: true });
    for (const moment of [/^hangs$/, ...moments]) {
      await Promise.race([running, project.hears(moment)]);
      if (running.exitCode === null) process.kill(-running.pid!, "SIGINT");
    }
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 1);
    const left = (await readdir(temporary)).filter((name) => name.startsWith("ci-images-"));
    return { stderr, calls: await project.calls(), left };
  }

  it("does not interrupt the cleanup", async () => {
    const { stderr, calls, left } = await build("true", "exit 255", /^destroys$/);
    assert.match(stderr, /still cleaning up: please wait\nstopped\. Nothing is left behind/);
    assert.equal(calls.at(-1), "destroyed");
    assert.deepEqual(left, []);
  });

  it("cleans up even if it is pressed again", async () => {
    const { stderr, calls, left } = await build("true", "[ $n = 2 ] && exit 255", /^SIGINT$/);
    assert.match(stderr, /stopped\. Nothing is left behind/);
    assert.equal(calls.at(-1), "destroyed");
    assert.deepEqual(left, []);
  });

  it("names the folder that is left, and the command to run, if the cleanup fails", async () => {
    const { stderr, left } = await build("echo the reason; exit 255", "exit 255");
    assert.doesNotMatch(stderr, /Nothing is left/);
    const folder = join(project.directory, "tmp", left[0]);
    assert.match(
      stderr,
      new RegExp(
        `^${folder}: .*could not be destroyed.*\nthe reason\n; cure: cd '${folder}' && PULUMI_BACKEND_URL='file://.*` +
          ` && rm -r '${folder}' '${project.directory}/\\.build\\.tar\\.gz-\\w+'$`,
        "m",
      ),
    );
  });
});

describe("a terminal or a pipe that is closed", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let project: FakeProject;
  afterEach(() => project.remove());

  /** Starts a verb. @returns its process and exit status; execa itself waits for output that is not read. */
  function start(verb: string) {
    const running = startVerb(project, [verb]);
    return [running, once(running, "exit").then(([code]) => code as number | null)] as const;
  }

  /** Runs `status` with a CLI that hangs in a preview, and takes a second to stop. */
  async function hanging() {
    project = await FakeProject.make(`"preview "*)
      trap 'log SIGINT; n=$((n + 1)); [ $n = 2 ] && exit 255' INT
      log hangs
      while [ -e "$folder" ] && [ -z "$n" ]; do sleep 0.1; done
      sleep 1; log unlocked; exit 255 ;;`);
    const [running, ended] = start("status");
    await project.hears(/^hangs$/);
    return [running, ended] as const;
  }

  it("stops pulumi cleanly, however often the hang-up is reported", async () => {
    const [running, ended] = await hanging();
    running.stdout.destroy();
    running.stderr.destroy();
    running.kill("SIGHUP");
    await Promise.race([ended, project.hears(/^SIGINT$/)]);
    running.kill("SIGHUP");
    const exitCode = await ended;
    assert.equal(exitCode, 1);
    assert.deepEqual((await project.calls()).slice(-2), ["SIGINT", "unlocked"]);
  });

  it("lets Ctrl-C stop pulumi cleanly even if nobody reads the progress", async () => {
    const [running, ended] = await hanging();
    running.stderr.destroy();
    running.kill("SIGINT");
    const exitCode = await ended;
    assert.equal(exitCode, 1);
    assert.deepEqual((await project.calls()).slice(-2), ["SIGINT", "unlocked"]);
  });

  it("stops the verb before its next command when nobody reads the progress", async () => {
    const urn = "urn:pulumi:local::ci-images::command:remote:Command::x";
    const pending = [{ type: "creating", resource: { urn, type: "command:remote:Command" } }];
    const state = JSON.stringify({ version: 3, deployment: { pending_operations: pending } });
    project = await FakeProject.make(`"stack export") log exported; sleep 1; echo '${state}' ;;`);
    const [running, ended] = start("up");
    await project.hears(/^exported$/);
    running.stderr.destroy();
    const exitCode = await ended;
    assert.equal(exitCode, 1);
    assert.equal((await project.calls()).at(-1), "exported");
  });

  it("finishes quietly when nobody reads the results", async () => {
    project = await FakeProject.make(`"stack export") log exported; sleep 1; echo '{"version":3,"deployment":{}}' ;;`);
    const [running, ended] = start("status");
    await project.hears(/^exported$/);
    running.stdout.destroy();
    const exitCode = await ended;
    assert.equal(exitCode, 0);
    assert.match((await project.calls()).join("\n"), /^preview /m);
  });
});

describe("Ctrl-C and Ctrl-D at a question", function () {
  this.timeout(120_000);

  it("answer no", async () => {
    const projects = await Promise.all([FakeProject.make(""), FakeProject.make("")]);
    try {
      const answer = async (project: FakeProject, key: string) => {
        const { output, exitCode } = await typeVerb(project, /Type the stack's name/, key, "destroy", "--images");
        assert.match(output, /all its images: \S*\r?\nnothing was destroyed$/);
        assert.equal(exitCode, 1);
        assert.doesNotMatch((await project.calls()).join("\n"), /^destroy/m);
      };
      await Promise.all([answer(projects[0], "\u0003"), answer(projects[1], "\u0004")]);
    } finally {
      for (const project of projects) await project.remove();
    }
  });
});
