// The sweep on gce finds and removes what has expired, and nothing else.
import assert from "node:assert/strict";
import { packFacts } from "../../../common/image-facts.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { gceLabels, imageName, ownLabels } from "../../../components/gce/facts/labels.ts";
import { describeRule, readRule } from "../../../components/gce/facts/rule-description.ts";
import { gceSweep } from "../../../components/gce/provider/functions/sweep.ts";
import type { GceApi } from "../../test-cloud/gce-api.ts";
import { insert, labels, makeMachine, watching, withGce } from "./support.ts";

const [past, future] = ["20200101t000000z", "20990101t000000z"];
const owned = (expires: string, changes: object = {}) => cloudLabels(gceLabels, { ...labels, expires, ...changes });
const sweep = async (remove: boolean, stack = "gce") => {
  const inputs = { place: "bakery", project: "ci-images", stack, remove };
  return (await gceSweep.call(inputs, watching())).leftovers;
};

async function litter(api: GceApi): Promise<void> {
  const { firewalls } = api.project("bakery");
  await makeMachine(api, "old", { labels: owned(past) });
  await makeMachine(api, "busy", { labels: owned(future) });
  await makeMachine(api, "stranger", { labels: owned(past, { stack: "other" }) });
  await insert(api, "projects/bakery/zones/here-b/disks", { name: "lost", labels: owned(past) });
  const image = (expires: string, more: object = {}) => ({
    labels: { ...cloudLabels(gceLabels, { ...labels, role: "image" }), ...more },
    description: packFacts("worker", { expires }, { longest: 2048, dispensable: [] }),
  });
  api.addBase("bakery", "unproven", image(past));
  api.addBase("bakery", "new", image(future));
  api.addBase("bakery", "proven", image(past, { "ci-images-verified": past }));
  firewalls.clear();
  const rule = (stack: string, year: number) => ({
    network: "default",
    description: describeRule({ project: "ci-images", stack, expires: new Date(Date.UTC(year, 0)) }, "SSH"),
  });
  await insert(api, "projects/bakery/global/firewalls", { name: "rule-old", ...rule("gce", 2020) });
  await insert(api, "projects/bakery/global/firewalls", { name: "rule-new", ...rule("gce", 2099) });
  await insert(api, "projects/bakery/global/firewalls", { name: "rule-other", ...rule("gce-next", 2020) });
  await insert(api, "projects/bakery/global/firewalls", { name: "theirs", network: "default" });
}

describe("the sweep on gce", () => {
  const expected = ["disk lost", "disk old", "firewall rule rule-old", "image unproven", "instance old"];

  it("lists the stack's leftovers in all zones, without removing them", () =>
    withGce(async (api) => {
      await litter(api);
      api.calls.length = 0;
      const found = await sweep(false);
      assert.deepEqual(found.map(({ kind, name }) => `${kind} ${name}`).sort(), expected);
      assert.equal(found[0].expired, "2020-01-01T00:00:00.000Z");
      assert.ok(api.calls.every((call) => call.startsWith("GET")));
    }));

  it("removes them on request, and continues if one can't be removed", () =>
    withGce(async (api) => {
      await litter(api);
      api.faults.refuse({ matches: /^DELETE .*images/, status: 403, reason: "forbidden", message: "locked" });
      const problems = (await sweep(true)).flatMap(({ name, problem }) => (problem ? [`${name}: ${problem}`] : []));
      assert.equal(problems.length, 1);
      assert.match(problems[0], /^unproven: .*locked/);
      const { instances, disks, images, firewalls } = api.project("bakery");
      assert.deepEqual([...instances.keys()], ["here-a/busy", "here-a/stranger"]);
      assert.deepEqual([...disks.keys()], ["here-a/busy", "here-a/stranger"]);
      assert.deepEqual([...firewalls.keys()], ["rule-new", "rule-other", "theirs"]);
      assert.deepEqual([...images.keys()], ["unproven", "new", "proven"]);
    }));

  it("tells stacks apart whose names are the same as labels", () =>
    withGce(async (api) => {
      const stacks = ["Prod.v1", "prod-v1"];
      const facts = { recipe: labels.recipe, name: "worker", expires: past };
      const description = packFacts("worker", facts, { longest: 2048, dispensable: [] });
      for (const stack of stacks) {
        const own = { ...labels, stack, expires: past };
        await makeMachine(api, `old-${stacks.indexOf(stack)}`, { labels: ownLabels(own) });
        const image = { ...labels, stack, role: "image" as const };
        api.addBase("bakery", `image-${stacks.indexOf(stack)}`, { description, labels: ownLabels(image) });
        // Older versions: the name alone tells.
        const name = imageName(stack, { ...facts, distribution: "debian12" });
        api.addBase("bakery", name, { description, labels: cloudLabels(gceLabels, image) });
      }
      const { instances, disks, images } = api.project("bakery");
      const left = () => [...instances.keys(), ...disks.keys(), ...images.keys()];
      const plain = imageName("prod-v1", { ...facts, distribution: "debian12" });
      assert.equal((await sweep(true, "Prod.v1")).length, 4);
      assert.deepEqual(left(), ["here-a/old-1", "here-a/old-1", "image-1", plain]);
      assert.deepEqual(await sweep(true, "Prod.v1"), []);
      assert.equal((await sweep(true, "prod-v1")).length, 4);
      assert.deepEqual(left(), []);
    }));

  it("reads a firewall rule's owner from its description", () => {
    const rule = { project: "p", stack: "s", expires: new Date(Date.UTC(2026, 10, 21)) };
    assert.deepEqual(readRule(describeRule(rule, "SSH to: it")), rule);
    for (const text of [undefined, "", "ci-images p/s until soon: x"]) assert.equal(readRule(text), undefined);
  });
});
