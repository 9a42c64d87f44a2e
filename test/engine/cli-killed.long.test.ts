// The verbs on a state that plain `pulumi` left unfinished: killed during a bake, or stopped between the bake and the
// second `up`, which drops the bake's records.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../test-cloud/until.ts";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";
import { doVerb } from "./verbs.ts";

interface Pending {
  pending_operations?: { resource: { urn: string } }[] | null;
}

function names(state?: Pending): string[] {
  return (state?.pending_operations ?? []).map(({ resource }) => resource.urn.split("::").at(-1)!);
}

describe("the verbs, after plain pulumi", function () {
  this.timeout(600_000);
  let stack: TestStack;

  afterEach(() => stack.remove());

  /** Pending operations in the engine's state file, readable while the engine runs. */
  async function notedByEngine(): Promise<string[]> {
    const backend = join(stack.directory, "backend");
    const file = (await readdir(backend, { recursive: true })).find((path) => path.endsWith(`/${stack.name}.json`));
    // The engine replaces the file atomically, so this never reads half of it.
    const { checkpoint } = JSON.parse(await readFile(join(backend, file!), "utf8")) as {
      checkpoint: { latest?: Pending };
    };
    return names(checkpoint.latest);
  }

  /** Names of the resources whose operations have started and not finished. */
  async function pending(): Promise<string[]> {
    const { output } = await stack.succeed("stack", "export");
    return names((JSON.parse(output) as { deployment: Pending }).deployment);
  }

  it("was killed during a bake and cancelled: `it` clears the pending operation and continues on the same builder", async () => {
    const longOnce = "if [ -e /opt/second-time ]; then exit 0; fi; touch /opt/second-time; echo at work; sleep 500";
    stack = await TestStack.create(scriptRecipe(longOnce, { modules: ["files", "run"] }));
    const running = stack.start("up", "--yes", "--skip-preview");
    let output = "";
    running.all.on("data", (data: Buffer) => (output += data.toString()));
    await until("the module runs and its operation is pending", 300, async () => {
      return output.includes("at work") && (await notedByEngine()).some((name) => name.endsWith("-run"));
    });
    running.kill("SIGKILL");
    assert.equal((await running).signal, "SIGKILL");
    const [builder] = await stack.machines();
    assert.ok(builder);
    await stack.succeed("cancel", "--yes");
    const left = await pending();
    assert.equal(left.length, 1, left.join(", "));
    assert.match(left[0], /^debian12-[0-9a-f]{8}-run$/);

    const { stderr } = await doVerb(stack, "it");
    assert.match(stderr, new RegExp(`a killed command was still making ${left[0]}: clearing its pending operations`));
    assert.doesNotMatch(stderr, /debian12: files done/, "the finished module does not run again");
    assert.deepEqual(await pending(), []);
    assert.deepEqual(await stack.machines(), []);
    assert.equal((await stack.imageFolders()).length, 1);
    await stack.expectNoChanges();
  });

  it("baked but did not drop the records yet: `status` shows the builder as retired, and `it` drops its records", async () => {
    stack = await TestStack.create(tinyRecipe("one"));
    await stack.up();
    assert.deepEqual(await stack.machines(), []);
    assert.notDeepEqual(await stack.bakeRecords(), []);
    assert.match(
      (await doVerb(stack, "status")).stdout,
      /^builder debian12: retired, `\.\/ci-images it` drops its records, recipe [0-9a-f]{8}$/m,
    );
    const { builders, upToDate } = JSON.parse((await doVerb(stack, "status", "--json")).stdout) as {
      builders: { state: string }[];
      upToDate: boolean;
    };
    assert.deepEqual([builders.map(({ state }) => state), upToDate], [["retired"], true]);
    await doVerb(stack, "it");
    assert.deepEqual(await stack.bakeRecords(), []);
    assert.match((await doVerb(stack, "status")).stdout, /^no builder$/m);
  });
});
