// A cloud is one folder: one line in components/clouds.ts makes it known to the settings and the verbs.
import assert from "node:assert/strict";
import { placeSettings } from "../../../cli/settings-file.ts";
import { clouds } from "../../../components/clouds.ts";
import { openClouds } from "../../../components/open-clouds.ts";
import { checkSettings, settingNames } from "../../../components/stack-settings.ts";
import { StackState } from "../../../components/life-cycle/stack-state.ts";
import { paperFacts } from "./facts.ts";

describe("a cloud that is one folder and one line in the list of clouds", () => {
  before(() => void clouds.push(paperFacts));
  after(() => void clouds.splice(clouds.indexOf(paperFacts), 1));

  it("has its own settings, with defaults and errors, and is opened with them", async () => {
    const check = (paper: object) => checkSettings("Pulumi.test.yaml", "ci-images:", { cloud: "paper", paper });
    assert.ok(settingNames().includes("paper"));
    assert.throws(() => check({ dsk: "here" }), /ci-images:paper\.dsk/);
    const opened = await openClouds(check({ desk: "oak" }), ".", new StackState());
    const [cloud] = opened.clouds;
    assert.deepEqual([cloud.name, cloud.place], ["paper", "oak"]);
    assert.deepEqual(placeSettings("paper", { region: "elm" }), { "paper.desk": "elm" });
  });

  it("is listed in the error about an unknown cloud", () => {
    const wrong = () => checkSettings("Pulumi.test.yaml", "ci-images:", { cloud: "papyrus" });
    assert.throws(wrong, /ci-images:cloud.*papyrus.*local, ec2, gce, rackspace, openstack, paper/s);
  });
});
