// All scripts that are rendered for the builder pass shellcheck.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { moduleCommand, rebootCommand, testsCommand } from "../../provision/builder/commands.ts";
import { distributions } from "../../provision/distributions.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { verificationChecks } from "../../provision/builder/verification.ts";

const recipeFile = fileURLToPath(new URL("../../provision/recipes/jenkins-worker.yaml", import.meta.url));

// 2016: single quotes around `$` are intended where a script is passed on. 2317: functions called by a trap look
// unused. 2043: a rendered loop may have only one item.
const arguments_ = ["--shell=bash", "--severity=warning", "--exclude=SC2016,SC2043,SC2317", "-"];

async function assertClean(what: string, script: string): Promise<void> {
  const { stdout, exitCode } = await execa("shellcheck", arguments_, { input: script, reject: false });
  assert.equal(exitCode, 0, `${what}:\n${stdout}`);
}

async function planFor(id: string): Promise<Plan> {
  const recipe = await loadRecipe(recipeFile, { overrides: { distribution: id } });
  assert(recipe.distributions[0]);
  return planRecipe(recipe, recipe.distributions[0], { sealVersion: "1" });
}

describe("shellcheck", function () {
  this.timeout(300_000);

  before(async function () {
    const { failed } = await execa("shellcheck", ["--version"], { reject: false });
    if (failed) this.skip();
  });

  for (const id of ["debian12", "rocky9"]) {
    it(`accepts the default recipe's modules on ${id}`, async () => {
      const { modules } = await planFor(id);
      const scripts = modules.flatMap(({ steps }) =>
        steps.flatMap((step) => (step.kind === "script" ? [step.script] : [])),
      );
      assert(scripts.length > 0);
      await assertClean("modules", scripts.join("\n"));
    });

    it(`accepts the default recipe's checks on ${id}`, async () => {
      const { checks } = await planFor(id);
      assert(checks.length > 0);
      await assertClean("checks", checks.map(({ what, script }) => `# ${what}\n(\n${script}\n)`).join("\n"));
    });
  }

  it("accepts the programs around them, the reboot, the tests and the verification", async () => {
    const { modules, checks } = await planFor("debian12");
    const [module] = modules;
    assert(module);
    const identity = { machineId: "0".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB me" };
    const programs = {
      module: moduleCommand({ ...module, usesSecrets: ["A"] }, 0, { A: "it's" }).stdin,
      reboot: rebootCommand("a test").stdin,
      tests: testsCommand(checks).stdin,
      verification: verificationChecks(identity, "debian")
        .map(({ script }) => `(\n${script}\n)`)
        .join("\n"),
    };
    for (const [what, program] of Object.entries(programs)) await assertClean(what, program);
  });

  it("accepts all .sh files", async () => {
    const folders = ["components", "provider", "provision"].map((name) => join(projectDirectory, name));
    const files = await Promise.all(
      folders.map(async (folder) => {
        const names = await readdir(folder, { recursive: true });
        return names.filter((name) => name.endsWith(".sh")).map((name) => join(folder, name));
      }),
    );
    // Parts of a program use variables and functions of other parts (2034, 2154, 2120). A tilde in our patterns stands
    // for every home (2088).
    const parts = [...arguments_.slice(0, 2), "--exclude=SC2016,SC2034,SC2043,SC2088,SC2120,SC2154,SC2317", "-"];
    await Promise.all(
      files.flat().map(async (file) => {
        const input = (await readFile(file, "utf8")).replaceAll(/@[A-Z_]+@/g, "1");
        const { stdout, exitCode } = await execa("shellcheck", parts, { input, reject: false });
        assert.equal(exitCode, 0, `${file}:\n${stdout}`);
      }),
    );
  });

  it("is not needed to plan the default recipe on every distribution", async () => {
    for (const { id, init } of distributions) {
      // idle_shutdown needs systemd's timers.
      if (init === undefined) assert((await planFor(id)).checks.length > 0, id);
    }
  });
});
