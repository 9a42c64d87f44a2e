// How far a bake goes, depending on the settings, the cloud and earlier runs.
import assert from "node:assert/strict";
import type { Survey } from "../../components/cloud.ts";
import { refusePowerOff, stageOf, stepsOf, type StageQuestion } from "../../components/life-cycle/stage-steps.ts";
import { StackState } from "../../components/life-cycle/stack-state.ts";

const nothing: Survey = { generations: [], builders: [] };
const builder: Survey = { generations: [], builders: ["r"] };
const image = { generations: [{ recipe: "r", proven: true }], builders: [] } as unknown as Survey;

function question(changes: Partial<StageQuestion>): StageQuestion {
  return { recipe: "r", survey: nothing, stage: "image", power: "on", ...changes };
}

describe("the stage of a bake", () => {
  it("is the one from the settings", () => {
    for (const stage of ["builder", "provisioned", "tested", "image"] as const) {
      assert.equal(stageOf(question({ stage })), stage);
    }
  });

  it("keeps the steps that a builder has completed, and declares no others while it is off", () => {
    const urn = "urn:pulumi:s::p::ci-images:index:WorkerImage$command:remote:Command::debian12-r-nginx";
    const state = new StackState({ [urn]: { type: "command:remote:Command" } });
    const wants = (changes: Partial<StageQuestion>, name: string) =>
      stepsOf(question(changes), state)("provisioned", `debian12-r-${name}`);
    assert.equal(wants({ stage: "builder", survey: builder }, "nginx"), true);
    assert.equal(wants({ stage: "builder", survey: builder }, "git"), false);
    assert.equal(wants({ stage: "provisioned", survey: builder }, "git"), true);
    assert.equal(wants({ stage: "provisioned", survey: builder, power: "off" }, "git"), false);
    assert.equal(wants({ stage: "provisioned", survey: builder, power: "off" }, "nginx"), true);
    assert.equal(wants({ stage: "builder", survey: nothing }, "nginx"), false, "its builder is gone");
  });

  it("is at most `tested` while the builder is off, unless the image exists", () => {
    assert.equal(stageOf(question({ power: "off", survey: builder })), "tested");
    assert.equal(stageOf(question({ power: "off", survey: image })), "image");
  });

  it("refuses to power off a missing builder, another recipe's builder, a sealed one and one past its deadline", () => {
    const refuse = (changes: Partial<StageQuestion>) =>
      refusePowerOff("debian12", "Pulumi.x.yaml", question({ power: "off", ...changes }));
    assert.throws(() => refuse({}), /ci-images:power: off, but debian12 has no builder/);
    assert.throws(() => refuse({ survey: { ...nothing, builders: ["other"] } }), /made from a different recipe/);
    assert.throws(() => refuse({ survey: { ...builder, sealed: ["r"] } }), /is already sealed and off/);
    assert.throws(
      () => refuse({ survey: { ...nothing, expired: ["r"] } }),
      /off, but the builder of debian12 is past its deadline \(ci-images:maxLifetime\); cure: set it to on.*makes another$/,
    );
    assert.doesNotThrow(() => refuse({ survey: builder }));
    assert.doesNotThrow(() => refuse({ survey: image }));
  });
});
