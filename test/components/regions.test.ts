// A stack that gains or loses a region keeps the images of the regions that stay.
import assert from "node:assert/strict";
import { runFleet, type Graph } from "./program.ts";

type Images = Record<string, object[]>;

const workerType = "ci-images:index:WorkerImage";
const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };
const recipes = Object.fromEntries(
  ["a", "b"].map((name) => [`${name}.yaml`, { name, distribution: "debian12", modules: ["run"], run: [name] }]),
);

function run(settings: object, regions: string[], images: Images = {}, outputs: object = {}): Promise<Graph> {
  const world = {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs },
      "ci-images:rackspace:regions": { regions, usual: "ORD", notices: [] },
      "ci-images:rackspace:resolveBase": { id: "root", description: "debian 12" },
      "ci-images:rackspace:survey": ({ region }: Record<string, unknown>) => ({
        ...{ images: images[String(region)] ?? [], builders: [], expired: [], sealed: [] },
      }),
      "ci-images:rackspace:preflight": {
        ...{ flavor: "1", networks: [{ id: "n", name: "private" }], hasKeyPair: false },
        reached: { family: 4, networks: [], cloudHost: "k" },
      },
    },
    outputs: {
      "ci-images:index:KeyPair": () => ({ publicKey: "ssh-ed25519 PUBLIC", privateKey: "PRIVATE" }),
      "ci-images:rackspace:Lease": () => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z", metadata: {} }),
      "ci-images:rackspace:ServerImage": ({ region, name }: Record<string, unknown>) => ({
        ...{ image: `${String(region)}-${String(name)}`, imageName: "n", bytes: 7, builtAt: "2026", builder },
      }),
      "openstack:compute/instance:Instance": () => ({ accessIpV4: "192.0.2.7", accessIpV6: "" }),
      "command:remote:Command": () => ({ stdout: `machine-id ${"1".repeat(32)}\n` }),
    },
  };
  const stack = { cloud: "rackspace", verify: false, sshFrom: ["203.0.113.5/32"] };
  return runFleet({ ...stack, rackspace: { flavor: "1", regions }, ...settings }, world, recipes);
}

/** Image resources, as `REGION NAME`. */
const imagesOf = (graph: Graph) =>
  graph.resources
    .filter(({ type }) => type.endsWith(":ServerImage"))
    .map(({ name, inputs }) => `${String(inputs.region)} ${name}`)
    .sort();

/** The images that a run leaves in the cloud, and the state after it, in which the worker images may lack outputs. */
function left(graph: Graph): [images: Images, state: Record<string, object>] {
  const images: Images = {};
  const state: Record<string, object> = {};
  for (const { type, name, parent, inputs } of graph.resources) {
    const isImage = type.endsWith(":ServerImage");
    if (isImage || type === workerType) {
      state[`urn:pulumi:test::ci-images::${type}::${name}`] = { type, outputs: isImage ? inputs : {} };
    }
    if (!isImage) continue;
    const { recipe, name: called } = graph.one("WorkerImage", parent).inputs as Record<string, string>;
    const plan = {
      recipe,
      name: called,
      distribution: "debian12",
      size: "4G",
      formats: ["qcow2"],
      tests: "",
      seal: "",
    };
    const base = { id: "root", description: "debian 12" };
    const image = { id: name, recipe, name: called, builtAt: "2026", proven: true };
    (images[inputs.region as string] ??= []).push({ ...image, plan: { ...plan, base, modules: [] } });
  }
  return [images, state];
}

describe("the regions of a stack", () => {
  const one = { recipe: "a.yaml" };

  it("keep their images, under the same logical names, when another one is added or removed", async () => {
    for (const settings of [one, { recipes: ["a.yaml", "b.yaml"] }]) {
      const alone = await run(settings, ["ORD"]);
      const [images, state] = left(alone);
      const both = await run(settings, ["DFW", "ORD"], images, state);
      assert.deepEqual(
        imagesOf(both).filter((each) => each.startsWith("ORD")),
        imagesOf(alone),
      );
      assert.ok(imagesOf(both).some((each) => each.startsWith("DFW DFW-debian12-")));
      for (const region of ["ORD", "DFW"]) {
        const fewer = await run(settings, [region], ...left(both));
        assert.deepEqual(
          imagesOf(fewer),
          imagesOf(both).filter((each) => each.startsWith(region)),
        );
      }
    }
  });

  it("keep their images at stage `none`, too", async () => {
    const alone = await run(one, ["ORD"]);
    assert.deepEqual(imagesOf(await run({ ...one, stage: "none" }, ["ORD", "DFW"], ...left(alone))), imagesOf(alone));
    const both = await run(one, ["ORD", "DFW"]);
    const fewer = await run({ ...one, stage: "none" }, ["DFW"], ...left(both));
    assert.deepEqual(
      imagesOf(fewer),
      imagesOf(both).filter((each) => each.startsWith("DFW")),
    );
  });

  it("never share a name, even if the state has resources of both under the short one", async () => {
    const [images, state] = left(await run(one, ["ORD"]));
    const moved = await run(one, ["DFW"], images, state);
    const [, other] = left(moved);
    const halfMoved = {
      ...state,
      [`urn:pulumi:test::ci-images::a:b:C::debian12-12345678`]: Object.values(other)[1],
    };
    const both = await run(one, ["ORD", "DFW"], images, halfMoved);
    assert.deepEqual(both.names("WorkerImage").sort(), ["DFW-debian12", "debian12"]);
  });
});
