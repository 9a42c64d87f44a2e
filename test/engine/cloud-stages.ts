// The stack settings `stage` and `power` on any cloud: a bake in stages on one builder, powered off and on in between.
import assert from "node:assert/strict";
import { answersSsh } from "../../provider/kit/ssh-answer.ts";
import type { Connection } from "../../provider/kit/connection.ts";
import { prepare } from "./cloud-life-cycle.ts";
import type { CloudStack, Subject } from "./cloud-stack.ts";
import { scriptRecipe } from "./recipes.ts";

/** A recipe whose tests fail if its module has run twice on one builder. */
function countingRecipe(): Record<string, unknown> {
  const tests = [{ name: "the module ran once", run: "test $(wc -l </etc/count) = 1" }];
  return scriptRecipe("echo once >>/etc/count", { tests });
}

/** Time to wait for a machine's SSH server to answer, in milliseconds. */
const patience = 5000;

/** Takes one builder through start, power off, power on, provisioning, power off and the image. */
export function stagesAndPower(open: () => Promise<Subject>): void {
  const made = prepare(open, countingRecipe());
  let builder: string;

  /** The builder's login, from the state. */
  async function login(stack: CloudStack): Promise<Connection> {
    const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
    return record.outputs as unknown as Connection;
  }

  async function upTo(settings: Record<string, unknown>): Promise<void> {
    await made.stack.settings(settings);
    await made.stack.up();
    const machines = await made.cloud.machines();
    builder ??= machines[0];
    assert.deepEqual(machines, [builder], "it is the same builder all the time");
  }

  it("stage `builder` starts a builder that answers, and then nothing changes", async () => {
    await upTo({ stage: "builder" });
    assert.ok(await answersSsh(await login(made.stack), patience));
    await made.stack.expectNoChanges();
  });

  it("power `off` stops the builder and keeps it, also after a refresh", async () => {
    const before = await login(made.stack);
    await upTo({ stage: "builder", power: "off" });
    assert.ok(!(await answersSsh(before, 500)), "the builder is off");
    await made.stack.expectNoChanges();
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
  });

  it("stage `provisioned` starts the builder again and provisions it, even if its address changed", async () => {
    await upTo({ stage: "provisioned" });
    assert.ok(await answersSsh(await login(made.stack), patience), "the state has the current address");
    await made.stack.expectNoChanges();
  });

  it("stage `image` makes the image from the same builder after another power off, and no module runs twice", async () => {
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
