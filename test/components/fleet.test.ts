// Several recipes in one stack, and recipes on top of each other: declared resources, their names, and refusals.
import assert from "node:assert/strict";
import { runFleet, type Graph, type World } from "./program.ts";

const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };
const recipe = (name: string, more: object = {}) => ({ name, modules: ["run"], run: [`echo ${name}`], ...more });
const one = { "a.yaml": recipe("a") };
const both = { ...one, "b.yaml": recipe("b") };
const tiers = {
  "base.yaml": recipe("base"),
  "middle.yaml": recipe("middle", { base: { recipe: "base.yaml" } }),
  "top.yaml": recipe("top", { base: { recipe: "middle.yaml" } }),
};

interface Existing {
  /** Images on this computer. */
  images?: object[];
  /** The stack's resources in the state. */
  outputs?: object;
  machines?: object[];
}

const lease = ({ prefix, madeWith }: Record<string, unknown>) => {
  return { madeWith, machine: `${prefix as string}-m`, deadline: "2030-01-01T00:00:00.000Z", metadata: {} };
};

/** A world with every cloud, all of them empty. */
function world({ images = [], outputs = {}, machines = [] }: Existing = {}): World {
  return {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs },
      "ci-images:local:resolveBase": { id: "base", description: "debian 12" },
      "ci-images:local:findImages": { images, machines },
      "ci-images:local:preflight": { accelerator: "tcg" },
      "ci-images:local:findLayers": { count: 0 },
      "ci-images:ec2:resolveBase": { id: "ami-root", description: "debian 12" },
      "ci-images:ec2:survey": { generations: [], builders: [], expired: [], sealed: [], useless: [] },
      "ci-images:ec2:preflight": { vpc: "vpc-1", subnets: ["subnet-1"], notices: [] },
      "ci-images:gce:account": { project: "bakery" },
      "ci-images:gce:resolveBase": {
        ...{ id: "projects/d/global/images/root@1", description: "debian 12", image: "projects/d/global/images/root" },
        ...{ features: ["UEFI_COMPATIBLE"], sizeGb: 10 },
      },
      "ci-images:gce:survey": { images: [], builders: [], expired: [], sealed: [], unfinished: [] },
      "ci-images:gce:preflight": {},
      "ci-images:rackspace:regions": { regions: ["ORD", "DFW"], usual: "ORD", notices: [] },
      "ci-images:rackspace:resolveBase": ({ region }) => ({ id: `root-${region as string}`, description: "debian 12" }),
      "ci-images:rackspace:survey": { images: [], builders: [], expired: [], sealed: [] },
      "ci-images:rackspace:preflight": {
        ...{ flavor: "1", networks: [{ id: "n", name: "private" }], hasKeyPair: false },
        reached: { family: 4, networks: [], cloudHost: "k" },
      },
    },
    outputs: {
      "ci-images:local:Image": ({ path }) => ({ path, disk: "/d", sha256: "5a", bytes: 2, builtAt: "2026", builder }),
      "ci-images:local:BaseImage": () => ({ path: "/root" }),
      "ci-images:local:Builder": () => ({ host: "h", port: 22, instance: "i" }),
      "ci-images:index:KeyPair": () => ({ publicKey: "ssh-ed25519 PUBLIC", privateKey: "PRIVATE" }),
      ...{ "ci-images:local:Lease": lease, "ci-images:ec2:Lease": lease, "ci-images:gce:Lease": lease },
      "ci-images:rackspace:Lease": lease,
      "ci-images:ec2:ImageAttributes": () => ({ name: "n", builtAt: "2026-11-21T14:00:00.000Z" }),
      "ci-images:ec2:Reachable": () => ({ host: "198.51.100.1" }),
      "gcp:compute/instance:Instance": () => ({
        ...{
          instanceId: "1",
          networkInterfaces: [{ networkIp: "10.0.0.7", accessConfigs: [{ natIp: "203.0.113.9" }] }],
        },
      }),
      "gcp:compute/image:Image": ({ name }) => ({
        ...{ selfLink: `link/${name as string}`, creationTimestamp: "2026-11-01T11:00:00.000Z", diskSizeGb: 48 },
      }),
      "gcp:compute/disk:Disk": () => ({ selfLink: "disk" }),
      "ci-images:rackspace:ServerImage": ({ region, name }) => ({
        ...{ image: `${region as string}-${name as string}`, imageName: "n", bytes: 7, builtAt: "2026", builder },
      }),
      "openstack:compute/instance:Instance": () => ({ accessIpV4: "192.0.2.7", accessIpV6: "" }),
      "command:remote:Command": () => ({ stdout: `machine-id ${"1".repeat(32)}\n` }),
    },
  };
}

const run = (settings: object, recipes: Record<string, object>, existing?: Existing) =>
  runFleet({ verify: false, ...settings }, world(existing), recipes);

const hashes = (graph: Graph) =>
  Object.fromEntries(
    graph.resources
      .filter(({ type }) => type.endsWith(":WorkerImage"))
      .map(({ name, inputs }) => [name, inputs.recipe as string]),
  );

/**
 * The images and the state after a finished run.
 * @param notes The outputs that the version in question has recorded.
 */
function left(graph: Graph, notes: (worker: string) => object = () => ({})): Existing {
  const workers = graph.resources.filter(({ type }) => type.endsWith(":WorkerImage"));
  const images = workers.map(({ inputs }) => ({
    path: `/images/debian12/${String(inputs.name)}`,
    proof: {},
    sha256: "5a",
    manifest: {
      ...{ name: inputs.name, recipe: inputs.recipe, builtAt: "2026-01-01T00:00:00Z" },
      ...{
        base: { id: "base", description: "" },
        plan: {
          ...{ recipe: inputs.recipe, name: inputs.name, distribution: "debian12", size: "4G", formats: ["qcow2"] },
          ...{ base: { id: "base", description: "debian 12" }, modules: [], tests: "", seal: "" },
        },
      },
    },
  }));
  const kept = graph.resources.filter(({ type }) => /:(WorkerImage|Image)$/.test(type));
  const outputs = Object.fromEntries(
    kept.map(({ type, name }) => [
      `urn:pulumi:test::ci-images::${type}::${name}`,
      { type, outputs: type.endsWith(":WorkerImage") ? notes(name) : {} },
    ]),
  );
  return { images, outputs };
}

/** Names of the workers that are baked. */
const baked = (graph: Graph) =>
  graph.resources
    .filter(({ type }) => type.endsWith(":local:Builder"))
    .map(({ name }) => name.split("-").slice(0, -2).join("-"));

describe("a stack of one recipe", () => {
  it("keeps its logical names and outputs, whether `recipe` or `recipes` lists it", async () => {
    for (const settings of [{ recipe: "a.yaml" }, { recipes: ["a.yaml"] }]) {
      const graph = await run(settings, one);
      assert.deepEqual(Object.keys(hashes(graph)), ["debian12"]);
      assert.deepEqual(Object.keys((graph.outputs.images as { local: object }).local), ["debian12"]);
      const labels = graph.one("Lease").inputs.labels as object;
      assert.deepEqual(Object.keys(labels).sort(), ["distribution", "home", "project", "recipe", "role", "stack"]);
    }
  });
});

describe("a stack of several recipes", () => {
  it("bakes all in parallel, with the recipe's name in logical names, labels and outputs", async () => {
    const graph = await run({ recipes: ["a.yaml", "b.yaml"] }, both);
    assert.deepEqual(Object.keys(hashes(graph)), ["debian12-a", "debian12-b"]);
    assert.deepEqual(Object.keys((graph.outputs.images as { local: object }).local), ["a-debian12", "b-debian12"]);
    const [a, b] = ["a", "b"].map((name) => graph.one("Builder", new RegExp(`^debian12-${name}-`)));
    assert.equal((a.inputs.labels as Record<string, string>).worker, "debian12-a");
    assert.ok(!graph.waits(a, b) && !graph.waits(b, a));
  });

  it("tells each notice once, however many recipes there are", async () => {
    const full = world();
    const failed = { region: "us-west-2", id: "ami-0bad", name: "", recipe: "", reason: "failed: no", kind: "failed" };
    full.calls["ci-images:ec2:survey"] = { generations: [], builders: [], expired: [], sealed: [], useless: [failed] };
    full.calls["ci-images:ec2:resolveBase"] = { id: "ami-root", description: "debian 12", notice: "it is deprecated" };
    const settings = { cloud: "ec2", ec2: { region: "us-west-2" }, verify: false, sshFrom: ["203.0.113.5/32"] };
    const { messages } = await runFleet({ ...settings, recipes: ["a.yaml", "b.yaml"] }, full, both);
    const notices = messages.filter((line) => !line.includes("will be baked:"));
    assert.equal(notices.length, 2, notices.join("\n"));
    assert.match(notices[0], /^debian12: it is deprecated$/);
    assert.match(notices[1], /^debian12: image ami-0bad in us-west-2 is failed: no: /);
  });

  for (const [version, notes] of [
    ["this version", () => ({ recipeName: "a", outputKey: "debian12" })],
    ["an older version", () => ({})],
  ] as const) {
    it(`keeps the image and its logical names that ${version} baked as the only recipe`, async () => {
      const alone = await run({ recipe: "a.yaml" }, one);
      const graph = await run({ recipes: ["b.yaml", "a.yaml"] }, both, left(alone, notes));
      assert.deepEqual(baked(graph), ["debian12-b"]);
      const [image] = alone.names("Image");
      assert.ok(graph.names("Image").includes(image), `${image} is kept`);
      assert.deepEqual(Object.keys((graph.outputs.images as { local: object }).local).sort(), [
        "a-debian12",
        "b-debian12",
      ]);
    });
  }

  it("keeps one recipe's images when the other recipe is removed", async () => {
    const two = await run({ recipes: ["a.yaml", "b.yaml"] }, both);
    const notes = (worker: string) => ({ recipeName: worker.split("-")[1] });
    const graph = await run({ recipe: "b.yaml" }, both, left(two, notes));
    assert.deepEqual(baked(graph), []);
    assert.deepEqual(Object.keys((graph.outputs.images as { local: object }).local), ["debian12"]);
    assert.deepEqual(
      graph.names("Image"),
      two.names("Image").filter((name) => name.includes("-b-")),
    );
  });

  it("finds its images by their recipes' names after the state was lost", async () => {
    const two = await run({ recipes: ["a.yaml", "b.yaml"] }, both);
    const { images } = left(two);
    const graph = await run({ recipes: ["a.yaml", "b.yaml"] }, both, { images });
    assert.deepEqual(baked(graph), []);
    assert.deepEqual(graph.names("Image").length, 2);
  });

  it("asks nothing more for ten recipes that have their images than for one, and declares a worker image and an image for each", async () => {
    const names = Array.from({ length: 10 }, (_, index) => `r${index}`);
    const recipes = Object.fromEntries(names.map((name) => [`${name}.yaml`, recipe(name)]));
    const settings = { recipes: Object.keys(recipes) };
    const noted = (worker: string) => ({ recipeName: worker.replace("debian12-", "") });
    const graph = await run(settings, recipes, left(await run(settings, recipes), noted));
    const counts: Record<string, number> = {};
    for (const { token } of graph.calls) counts[token] = (counts[token] ?? 0) + 1;
    assert.deepEqual(counts, {
      "pulumi:pulumi:readStackResourceOutputs": 1,
      "ci-images:local:resolveBase": 1,
      "ci-images:local:findImages": 1,
    });
    assert.equal(graph.resources.length, 2 * names.length);
  });

  it("never gives two recipes one name, even if one recipe already uses another's name", async () => {
    const three = { ...both, "c.yaml": recipe("c") };
    // In this state, debian12-b belongs to recipe c.
    const graph = await run({ recipes: ["a.yaml", "b.yaml"] }, both);
    const notes = (worker: string) => ({ recipeName: worker.endsWith("-b") ? "c" : "a" });
    const next = await run({ recipes: ["a.yaml", "b.yaml", "c.yaml"] }, three, left(graph, notes));
    assert.deepEqual(Object.keys(hashes(next)), ["debian12-a", "debian12-b-2", "debian12-b"]);
  });

  it("accepts settings for a single recipe", async () => {
    const recipes = [
      "a.yaml",
      { recipe: "b.yaml", size: "8G", formats: ["qcow2", "raw"], distributions: ["debian13"] },
    ];
    const graph = await run(
      { recipes },
      { ...both, "b.yaml": recipe("b", { distributions: ["debian12", "debian13"] }) },
    );
    const builders = graph.resources.filter(({ type }) => type.endsWith(":local:Builder"));
    assert.deepEqual(
      builders.map(({ inputs }) => inputs.size),
      [4 * 2 ** 30, 8 * 2 ** 30],
    );
    assert.deepEqual(Object.keys(hashes(graph)), ["debian12-a", "debian13-b"]);
  });

  it("reports a wrong size at the setting that has it", async () => {
    await assert.rejects(
      run({ recipe: "a.yaml", size: "9X" }, one),
      /Pulumi\.\S+\.yaml: ci-images:size: "9X"; allowed: /,
    );
    const recipes = ["a.yaml", { recipe: "b.yaml", size: "9X" }];
    await assert.rejects(
      run({ recipes }, both),
      /\.yaml: ci-images:recipes\[1\]\.size: "9X"; allowed: a number and a unit/,
    );
  });

  it("bakes a distribution once that is listed twice, also under two names", async () => {
    const distributions = ["debian12", "debian13", "bookworm", "debian12"];
    const files = { "a.yaml": recipe("a", { distributions: ["debian12", "debian13"] }) };
    const graph = await run({ recipe: "a.yaml", distributions }, files);
    assert.deepEqual(Object.keys(hashes(graph)), ["debian12", "debian13"]);
  });

  it("refuses duplicate recipes, duplicate names, and names that look like a recipe hash", async () => {
    await assert.rejects(run({ recipes: ["a.yaml", "./a.yaml"] }, one), /ci-images:recipes\[1\]: .\/a.yaml again/);
    await assert.rejects(
      run({ recipe: "a.yaml", recipes: ["b.yaml"] }, both),
      /ci-images:recipe: set, beside ci-images:recipes/,
    );
    await assert.rejects(
      run({ recipes: ["a.yaml", "b.yaml"] }, { ...one, "b.yaml": recipe("a") }),
      /b\.yaml: name: a, as in a\.yaml/,
    );
    await assert.rejects(
      run({ recipes: ["a.yaml", "b.yaml"] }, { ...one, "b.yaml": recipe("b-1a2b3c4d") }),
      /eight hexadecimal digits/,
    );
  });

  it("reports the errors of all recipes together", async () => {
    const broken = { "a.yaml": recipe("a", { modules: ["gitt"] }), "b.yaml": recipe("b", { sise: "8G" }) };
    await assert.rejects(run({ recipes: ["a.yaml", "b.yaml"] }, broken), (error: Error) => {
      assert.match(error.message, /a\.yaml.*gitt/);
      assert.match(error.message, /b\.yaml.*sise/);
      return true;
    });
  });

  it("says together what keeps each of them from being baked", async () => {
    const uploads = (name: string) =>
      recipe(name, { modules: ["run", "files"], files: [{ path: "/x", source: `${name}.txt` }] });
    const recipes = { ...one, "b.yaml": uploads("b"), "c.yaml": uploads("c") };
    await assert.rejects(run({ recipes: Object.keys(recipes) }, recipes), /"b\.txt" cannot be[^]*"c\.txt" cannot be/);
  });
});

describe("a recipe on top of a recipe", () => {
  it("looks for layers of the image below by that image's disk, and for none while that is to be baked", async () => {
    const below = await run({ recipe: "base.yaml" }, tiers);
    const existing = left(below);
    const recipes = { "base.yaml": tiers["base.yaml"], "middle.yaml": tiers["middle.yaml"] };
    const asked = async (state?: Existing) => {
      const { calls } = await run({ recipe: "middle.yaml" }, recipes, state);
      return calls.filter(({ token }) => token.endsWith(":findLayers")).map(({ inputs }) => inputs.base);
    };
    assert.deepEqual(await asked(existing), ["image-5a"]);
    assert.deepEqual(await asked(), ["base"]);
  });

  it("starts from the verified image of the recipe below; outputs have only the recipes that the stack lists", async () => {
    const graph = await run({ recipe: "top.yaml", verify: true }, tiers);
    assert.deepEqual(Object.keys(hashes(graph)), ["debian12-base", "debian12-middle", "debian12"]);
    assert.deepEqual(Object.keys((graph.outputs.images as { local: object }).local), ["debian12"]);
    const promotion = graph.one("Promotion", /debian12-middle/);
    for (const [type, name] of [
      ["BaseImage", /^debian12-[0-9a-f]{8}-base$/],
      ["Lease", /^debian12-[0-9a-f]{8}-builder/],
    ] as const) {
      assert.ok(graph.waits(graph.one(type, name), promotion), `${type} waits for the promotion below`);
    }
    const { base } = graph.one("BaseImage", /^debian12-[0-9a-f]{8}-base$/).inputs as { base: { id: string } };
    assert.equal(base.id, "image-5a");
    const { ancestry } = graph.one("Image", /^debian12-[0-9a-f]{8}$/).inputs as { ancestry: { name: string }[] };
    assert.deepEqual(
      ancestry.map(({ name }) => name),
      ["middle", "base"],
    );
  });

  it("includes the recipe hash below in its own: a change below bakes all above it, a change above nothing below", async () => {
    const before = hashes(await run({ recipe: "top.yaml" }, tiers));
    const below = hashes(
      await run({ recipe: "top.yaml" }, { ...tiers, "base.yaml": recipe("base", { run: ["echo 2"] }) }),
    );
    const above = hashes(
      await run(
        { recipe: "top.yaml" },
        { ...tiers, "top.yaml": recipe("top", { ...tiers["top.yaml"], run: ["echo 2"] }) },
      ),
    );
    const changed = (after: Record<string, string>) =>
      Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.deepEqual(changed(below), ["debian12-base", "debian12-middle", "debian12"]);
    assert.deepEqual(changed(above), ["debian12"]);
  });

  it("bakes the recipe below to the image at every stage, because the builder above starts from it", async () => {
    const graph = await run({ recipe: "top.yaml", stage: "builder" }, tiers);
    assert.deepEqual(
      graph.names("Image").map((name) => name.split("-").slice(0, -1).join("-")),
      ["debian12-base", "debian12-middle"],
    );
    assert.deepEqual(Object.keys(graph.outputs.builders as object), ["debian12"]);
  });

  it("inherits the disk size of the recipe below, and may not have a smaller one", async () => {
    const large = { ...tiers, "base.yaml": recipe("base", { size: "8G" }) };
    const graph = await run({ recipe: "top.yaml" }, large);
    assert.equal(graph.one("Builder", /^debian12-[0-9a-f]{8}-builder$/).inputs.size, 8 * 2 ** 30);
    const small = { ...large, "top.yaml": { ...tiers["top.yaml"], size: "4G" } };
    await assert.rejects(run({ recipe: "top.yaml" }, small), /top\.yaml: base\.recipe: middle has a disk of 8G/);
  });

  it("writes unlisted recipes below in their own formats if the stack's lack qcow2, as those of `build` do", async () => {
    const graph = await run({ recipe: "top.yaml", formats: ["tar"] }, tiers);
    const formats = graph.resources
      .filter(({ type }) => type.endsWith(":local:Image"))
      .map(({ inputs }) => inputs.formats);
    assert.deepEqual(formats, [["qcow2"], ["qcow2"], ["tar"]]);
    const own = (await run({ recipe: "top.yaml" }, tiers)).names("WorkerImage");
    assert.deepEqual(graph.names("WorkerImage"), own);
    const hashOf = async (more: object) =>
      hashes(await run({ recipe: "middle.yaml", ...more }, tiers))["debian12-base"];
    assert.notEqual(
      await hashOf({ formats: ["qcow2", "raw"] }),
      await hashOf({}),
      "formats with qcow2 apply as before",
    );
    // A recipe that the stack lists has the stack's formats, and the error says where they can be changed.
    await assert.rejects(
      run({ recipes: ["base.yaml", "middle.yaml"], formats: ["raw"] }, tiers),
      /middle\.yaml: base\.recipe: base, which is written as raw; cure: add qcow2 to ci-images:formats, or to formats beside it in ci-images:recipes/,
    );
    await assert.rejects(
      run({ recipe: "middle.yaml" }, { ...tiers, "base.yaml": recipe("base", { formats: ["raw"] }) }),
      /written as raw; cure: add qcow2 to its formats: that is/,
    );
  });

  it("refuses circles, a distribution that the recipe below lacks, and a missing file", async () => {
    const circle = { ...tiers, "base.yaml": recipe("base", { base: { recipe: "top.yaml" } }) };
    await assert.rejects(
      run({ recipe: "top.yaml" }, circle),
      /base\.recipe: a circle: .*top\.yaml builds on .*middle\.yaml builds on .*base\.yaml builds on .*top\.yaml/,
    );
    const itself = { "top.yaml": recipe("top", { base: { recipe: "top.yaml" } }) };
    await assert.rejects(run({ recipe: "top.yaml" }, itself), /a circle/);
    const other = { ...tiers, "top.yaml": { ...tiers["top.yaml"], distribution: "debian13" } };
    await assert.rejects(run({ recipe: "top.yaml" }, other), /base\.recipe: middle has no image of debian13/);
    const missing = { "top.yaml": recipe("top", { base: { recipe: "gone.yaml" } }) };
    await assert.rejects(run({ recipe: "top.yaml" }, missing), /base\.recipe: "gone\.yaml" cannot be read/);
  });

  const clouds: readonly [
    cloud: string,
    settings: object,
    builder: string,
    base: (inputs: Record<string, unknown>) => unknown,
    image: RegExp,
  ][] = [
    [
      "ec2",
      { ec2: { region: "us-west-2" } },
      "aws:ec2/instance:Instance",
      ({ ami }) => ami,
      /^debian12-middle-[0-9a-f]{8}-id$/,
    ],
    ["gce", {}, "gcp:compute/disk:Disk", ({ image }) => image, /^link\/test-middle-debian12-/],
    [
      "rackspace",
      { rackspace: { flavor: "1" } },
      "openstack:compute/instance:Instance",
      ({ imageId }) => imageId,
      /^ORD-middle$/,
    ],
  ];
  for (const [cloud, settings, type, baseOf, image] of clouds) {
    it(`starts from the verified image in the same place on ${cloud}`, async () => {
      const graph = await run(
        { cloud, recipe: "top.yaml", sshFrom: ["203.0.113.5/32"], verify: true, ...settings },
        tiers,
      );
      const lease = graph.one("Lease", /^debian12-[0-9a-f]{8}-builder-lease$/);
      assert.ok(graph.waits(lease, graph.one("Promotion", /^debian12-middle-/)));
      const started = graph.resources.find(
        (each) => each.type === type && /^debian12-[0-9a-f]{8}-builder/.test(each.name),
      )!;
      assert.match(String(baseOf(started.inputs)), image);
      const { ciPlatform } = graph.outputs as {
        ciPlatform: { jenkins: { clouds: { images: Record<string, Record<string, object>> } } };
      };
      const [places] = Object.values(ciPlatform.jenkins.clouds.images);
      assert.deepEqual(Object.values(places).map(Object.keys), [["debian12"]]);
    });
  }

  it("starts from the image of its own region and distribution", async () => {
    const two = Object.fromEntries(
      Object.entries(tiers).map(([file, content]) => [file, { ...content, distributions: ["debian12", "debian13"] }]),
    );
    const settings = {
      cloud: "rackspace",
      rackspace: { flavor: "1", regions: ["ORD", "DFW"] },
      sshFrom: ["203.0.113.5/32"],
    };
    const graph = await run({ ...settings, recipe: "middle.yaml" }, two);
    for (const worker of ["ORD-debian12", "ORD-debian13", "DFW-debian12", "DFW-debian13"]) {
      const lease = graph.one("Lease", new RegExp(`^${worker}-[0-9a-f]{8}-builder-lease$`));
      const [promotions] = [graph.names("Promotion").filter((name) => name.includes("-base-"))];
      const waited = promotions.filter((name) => graph.waits(lease, graph.one("Promotion", name)));
      assert.deepEqual(
        waited.map((name) => name.split("-base-")[0]),
        [worker],
      );
    }
  });

  it("boots from a volume of OpenStack if the recipe above has one, unless the image brings its own volumes", async () => {
    for (const [bytes, imageId, volumes] of [
      [7, undefined, [["ORD-base", 40]]],
      [0, "ORD-base", []],
    ] as const) {
      const the = world();
      the.outputs!["ci-images:rackspace:ServerImage"] = ({ region, name }) => ({
        ...{ image: `${region as string}-${name as string}`, imageName: "n", bytes, builtAt: "2026", builder },
      });
      const middle = { recipe: "middle.yaml", rackspace: { flavor: "no-disk", volume: { size: 40 } } };
      const settings = { cloud: "rackspace", rackspace: { flavor: "1" }, sshFrom: ["203.0.113.5/32"], verify: false };
      const graph = await runFleet({ ...settings, recipes: ["base.yaml", middle] }, the, tiers);
      const { inputs } = graph.one("Instance", /^debian12-middle-[0-9a-f]{8}-builder$/);
      const devices = inputs.blockDevices as Record<string, unknown>[];
      assert.deepEqual(
        [inputs.imageId, devices.map(({ uuid, volumeSize }) => [uuid, volumeSize])],
        [imageId, volumes],
        `${bytes} bytes`,
      );
    }
  });

  it("needs a disk at least as large as the one below if the stack sets its size", async () => {
    for (const cloud of ["ec2", "gce"]) {
      const small = { recipe: "middle.yaml", [cloud]: { diskSize: 20 } };
      const recipes = ["base.yaml", small];
      const settings = {
        cloud,
        recipes,
        sshFrom: ["203.0.113.5/32"],
        [cloud]: { diskSize: 40, ...(cloud === "ec2" && { region: "us-west-2" }) },
      };
      await assert.rejects(run(settings, tiers), /a disk of 40G|at least 40/, cloud);
    }
  });
});
