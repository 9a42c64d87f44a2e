// The stack settings `stage` and `power` on any cloud: a bake in steps on one builder, which is powered off and on in between.
import assert from "node:assert/strict";
import { answersSsh } from "../../provider/kit/ssh-answer.ts";
import type { Connection } from "../../provider/kit/connection.ts";
import { prepare } from "./cloud-life-cycle.ts";
import type { CloudStack, Subject } from "./cloud-stack.ts";
import { scriptRecipe } from "./recipes.ts";

/** A recipe whose tests fail when its module ran twice on one builder. */
function countingRecipe(): Record<string, unknown> {
  const tests = [{ name: "the module ran once", run: "test $(wc -l </etc/count) = 1" }];
  return scriptRecipe("echo once >>/etc/count", { tests });
}

/** Milliseconds for one look whether a machine answers. */
const look = 5000;

/** Builder, off, on, provisioned, off, image. */
export function stagesAndPower(open: () => Promise<Subject>): void {
  const made = prepare(open, countingRecipe());
  let builder: string;

  /** How the state says to log in. */
  async function login(stack: CloudStack): Promise<Connection> {
    const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
    return record.outputs as unknown as Connection;
  }

  async function upTo(settings: Record<string, unknown>): Promise<void> {
    await made.stack.settings(settings);
    await made.stack.up();
    const machines = await made.cloud.machines();
    builder ??= machines[0];
    assert.deepEqual(machines, [builder], "one builder all the time");
  }

  it("starts a builder, which answers, and changes nothing then", async () => {
    await upTo({ stage: "builder" });
    assert.ok(await answersSsh(await login(made.stack), look));
    await made.stack.expectNoChanges();
  });

  it("powers it off and keeps it, also after a refresh", async () => {
    const before = await login(made.stack);
    await upTo({ stage: "builder", power: "off" });
    assert.ok(!(await answersSsh(before, 500)), "nobody answers");
    await made.stack.expectNoChanges();
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
  });

  it("powers it on and provisions it, wherever it is now", async () => {
    await upTo({ stage: "provisioned" });
    assert.ok(await answersSsh(await login(made.stack), look), "the record has its present address");
    await made.stack.expectNoChanges();
  });

  it("powers it off again, and makes the image of that same builder, each module run once", async () => {
    await upTo({ stage: "provisioned", power: "off" });
    await made.stack.settings({});
    await made.stack.up();
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
    await made.stack.up();
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers([image!.id]), []);
  });
}
