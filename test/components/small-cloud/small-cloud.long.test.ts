// A cloud that exists only in this folder, on the real engine: it bakes, and the verbs know its images and places.
import assert from "node:assert/strict";
import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { parse } from "yaml";
import { projectDirectory } from "../../../toolchain/versions.mjs";
import { tinyRecipe } from "../../engine/recipes.ts";
import { TestStack } from "../../engine/test-stack.ts";

const here = join(projectDirectory, "test/components/small-cloud");

describe("a cloud that exists only in a test folder", function () {
  this.timeout(300_000);
  let stack: TestStack;

  before(async () => {
    const settings = { cloud: "paper", paper: { desk: "oak", drawers: ["upper", "lower"] } };
    stack = await TestStack.create(tinyRecipe(), settings);
    // Use the program and the plugin that have the small cloud in their lists.
    await rm(join(stack.directory, "index.ts"));
    await symlink(join(here, "index.ts"), join(stack.directory, "index.ts"));
    const project = join(stack.directory, "Pulumi.yaml");
    const text = await readFile(project, "utf8");
    await writeFile(project, text.replace(join(projectDirectory, "provider"), join(here, "plugin")));
  });
  after(async () => stack.remove());

  async function verb(...words: string[]): Promise<string> {
    const command = ["--import=tsx", join(here, "ci-images.ts"), ...words];
    const options = { cwd: stack.directory, env: stack.environment, extendEnv: false } as const;
    // The command resolves its packages from the stack's folder.
    return (await execa(process.execPath, command, options)).stdout;
  }

  it("bakes through the life cycle into its own outputs, and then shows no changes", async () => {
    await stack.up();
    await stack.up();
    await stack.expectNoChanges();
    const { images, ciPlatform } = (await stack.outputs()) as unknown as Record<string, Record<string, object>>;
    const { id } = (images.paper as { oak: { debian12: { id: string } } }).oak.debian12;
    assert.match(id, /^sheet \//);
    assert.deepEqual(ciPlatform, { jenkins: { clouds: { images: { paper: { oak: { debian12: id } } } } } });
  });

  it("shows its images and places in status, export and sweep", async () => {
    const status = JSON.parse(await verb("status", "--json")) as { cloud: string; upToDate: boolean; images: object[] };
    assert.deepEqual([status.cloud, status.upToDate, status.images.length], ["paper", true, 1]);
    assert.match(await verb("export", "--dry-run", "all.yaml"), /paper:\n\+ +oak:\n\+ +debian12: sheet \//);
    const { jenkins } = parse(await verb("export", "--jcasc")) as {
      jenkins: { clouds: { paper: { desk: string } }[] };
    };
    assert.equal(jenkins.clouds[0].paper.desk, "oak");
    assert.deepEqual((await verb("sweep")).split("\n"), [
      `upper sheet of ${stack.name}: found by brass; would be removed`,
      `lower sheet of ${stack.name}: found by brass; would be removed`,
    ]);
  });
});
