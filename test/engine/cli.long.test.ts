// The verbs on a real stack: one builder through up, bootstrap, tests, ssh, down and create-image, as `npx ci-images` runs them.
import assert from "node:assert/strict";
import { writeFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { findMachine } from "../../provider/local/machines.ts";
import { projectDirectory } from "../../tools/versions.mjs";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("npx ci-images on `local`", function () {
  this.timeout(900_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(scriptRecipe("echo once >>/etc/count"));
  });
  after(() => stack.remove());

  /** Runs a command line in the project's folder. */
  async function run(...words: string[]) {
    const program = join(projectDirectory, "cli/ci-images.mjs");
    const options = { cwd: stack.directory, env: stack.environment, extendEnv: false, reject: false } as const;
    const { stdout, stderr, exitCode } = await execa(process.execPath, [program, ...words], options);
    assert.doesNotMatch(
      stdout + stderr,
      /PRIVATE KEY|RegisterResource/,
      "no secrets, and nothing of the engine's own log",
    );
    return { stdout, stderr, exitCode };
  }

  /** Runs one that must end well. */
  async function done(...words: string[]) {
    const result = await run(...words);
    assert.equal(result.exitCode, 0, `${words.join(" ")}:\n${result.stdout}\n${result.stderr}`);
    return result;
  }

  it("says what is wrong with a command line, with status 2, and loads nothing", async () => {
    const unknown = await run("boostrap");
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /did you mean bootstrap\?/);
    assert.equal((await run("up", "--nope")).exitCode, 2);
  });

  it("refuses ssh and down without a builder, with status 1 and the cure", async () => {
    for (const verb of ["ssh", "down"]) {
      const { stderr, exitCode } = await run(verb);
      assert.equal(exitCode, 1);
      assert.match(stderr, /there is no builder.*ci-images up/);
    }
  });

  it("leads one builder through all verbs, and plain pulumi sees no change in between", async () => {
    const up = await done("up");
    assert.match(up.stdout, /^debian12 {2}debian@127\.77\.\S+ port 22 {2}next: ci-images bootstrap$/m);
    const [name] = await stack.machines();
    await stack.expectNoChanges();

    const bootstrapped = await done("bootstrap");
    assert.match(bootstrapped.stderr, /debian12: run done \(\d+\.\d s/);

    const tested = await done("tests");
    assert.match(tested.stderr, /ok - recipe: the file is there/);
    assert.match((await done("tests")).stderr, /ok - recipe: the file is there/, "they run again");
    await stack.expectNoChanges();

    assert.equal((await done("ssh", "cat /etc/count")).stdout, "once");
    assert.equal((await run("ssh:exit 7")).exitCode, 7);

    const { stdout } = await done("status", "--json");
    const status = JSON.parse(stdout) as { builders: Record<string, unknown>[]; upToDate: boolean };
    assert.equal(status.builders[0].state, "running");
    assert.equal(status.builders[0].stage, "tested");
    assert.equal(status.upToDate, false);

    await done("down");
    assert.equal((await findMachine(name))?.state, "stopped");
    assert.match((await run("ssh", "true")).stderr, /is powered off.*ci-images up/);
    await done("up");
    assert.deepEqual(await stack.machines(), [name]);
    assert.equal((await done("ssh", "cat /etc/count")).stdout, "once", "nothing ran twice");

    const made = await done("create_image");
    assert.match(made.stdout, /^local debian12 {2}\S+disk\.qcow2 {2}recipe [0-9a-f]{8}/m);
    assert.deepEqual(await stack.machines(), []);
    assert.deepEqual(await stack.bakeRecords(), []);
    await stack.expectNoChanges();
    assert.match((await done("status")).stdout, /up to date/);
  });

  it("tells what changed between generations, and writes the images into a file", async () => {
    await stack.recipe(tinyRecipe("two"));
    await done("it");
    const { stdout } = await done("diff");
    assert.match(stdout, /module run: removed/);
    assert.match(stdout, /module files: settings changed/);
    const file = join(stack.directory, "ci-platform.yaml");
    await writeFile(file, "# ours\njenkins:\n  url: x # here\n");
    assert.match((await done("export", file)).stdout, /^\+.*disk\.qcow2/m);
    assert.match(await readFile(file, "utf8"), /^# ours\njenkins:\n {2}url: x # here\n {2}clouds:\n {4}images:\n/);
  });

  it("ends with status 1 when a module fails, says why, and cleans up with destroy; the images stay until --images", async () => {
    await stack.recipe(scriptRecipe("echo the last words; false"));
    const failed = await run("bootstrap");
    assert.equal(failed.exitCode, 1);
    assert.match(failed.stderr, /the last words/);
    assert.equal((await done("ssh", "cat /etc/tiny")).stdout, "one", "the builder of a failed bake can be looked at");
    await done("destroy");
    assert.deepEqual(await stack.machines(), []);
    assert.equal((await stack.imageFolders()).length, 2);
    assert.match((await run("destroy", "--images")).stderr, /say --yes/);
    await done("destroy", "--images", "--yes");
    assert.deepEqual(await stack.leftovers(), []);
  });
});
