// The fake Compute API refuses what the real one refuses, by Google's discovery document and documentation.
import assert from "node:assert/strict";
import { insert, makeMachine } from "../components/gce/support.ts";
import { startGce, type GceApi } from "./gce-api.ts";
import { endRuns, stopInstance } from "./gce/machines.ts";
import { rules, type Rule } from "./gce/rules.ts";

const zone = "projects/bakery/zones/here-a";
const image = { name: "worker", sourceImage: "projects/debian-cloud/global/images/base" };
const vm = { name: "worker", machineType: "zones/here-a/machineTypes/e2-small" };

/** Requests that break a rule, by the rule's name. */
const breaches: Record<string, { path: string; body: object }> = {
  labels: { path: "projects/bakery/global/images", body: { ...image, labels: { Team: "ci" } } },
  tags: { path: `${zone}/instances`, body: { ...vm, tags: { items: ["-ci"] } } },
  description: { path: "projects/bakery/global/images", body: { ...image, description: "x".repeat(2049) } },
  metadata: { path: `${zone}/instances`, body: { ...vm, metadata: { items: [{ key: "user data", value: "" }] } } },
  runDuration: { path: `${zone}/instances`, body: { ...vm, scheduling: { maxRunDuration: { seconds: "600" } } } },
  spot: {
    path: `${zone}/instances`,
    body: { ...vm, scheduling: { provisioningModel: "SPOT", automaticRestart: true } },
  },
  requestId: { path: "projects/bakery/global/images?requestId=1", body: image },
};

describe("the fake Compute API", () => {
  let api: GceApi;
  beforeEach(async () => {
    api = await startGce();
    api.addBase("debian-cloud", "base");
  });
  afterEach(() => api.close());

  /** Sends a request. @returns the answer's status and message. */
  async function send(method: string, path: string, body?: object): Promise<string> {
    const answer = await fetch(api.endpoint + path, { method, body: body && JSON.stringify(body) });
    const { error } = (await answer.json()) as { error?: { message: string } };
    return `${answer.status} ${error?.message ?? ""}`;
  }

  it("refuses methods, parameters, fields and values that Google's discovery document does not allow", async () => {
    const images = "projects/bakery/global/images";
    assert.match(await send("POST", `${images}/worker/start`, {}), /^404 /);
    assert.match(await send("POST", `${images}?force=true`, image), /^400 .*Unknown name "force"/);
    assert.match(await send("POST", images, { ...image, colour: "red" }), /^400 .*Unknown name "colour" at 'resource'/);
    assert.match(
      await send("POST", images, { ...image, labels: { team: 1 } }),
      /^400 Invalid value at 'resource.labels.team'/,
    );
    assert.match(await send("POST", images, { ...image, name: "Worker" }), /^400 .*'resource.name': 'Worker'/);
    assert.match(
      await send("POST", `${zone}/instances`, { ...vm, name: undefined }),
      /^400 Required field 'resource.name'/,
    );
    const feature = { guestOsFeatures: [{ type: "LEVITATION" }] };
    assert.match(await send("POST", images, { ...image, ...feature }), /^400 .*guestOsFeatures\[0\].type/);
    assert.match(await send("GET", "projects/UPPER/global/images"), /^400 .*'project'/);
    assert.equal(api.violations.length, 7, "each violation is recorded");
    assert.match(await send("POST", images, image), /^200 /);
  });

  it("numbers the resources of each cloud from the same start, so that a recorded state finds its base image", async () => {
    const other = await startGce();
    try {
      other.addBase("debian-cloud", "base");
      const ids = [api, other].map((each) => each.addBase("debian-cloud", "one-more").id);
      assert.equal(ids[0], ids[1]);
    } finally {
      await other.close();
    }
  });

  it("supports both v1 and beta", async () => {
    const beta = api.endpoint.replace("/v1/", "/beta/");
    assert.equal((await fetch(`${beta}projects/debian-cloud/global/images/base`)).status, 200);
    assert.equal((await fetch(`${beta}projects/bakery/global/images/none`)).status, 404);
  });

  it("enforces further documented rules, each with a source", async () => {
    for (const [name, { says, source, refuses }] of Object.entries<Rule>(rules)) {
      const isFound =
        /https:\/\/(cloud\.google|github)\.com\/|^discovery document, [A-Za-z]+\.|^not documented by Google/.test(
          source,
        );
      assert.ok(isFound, `${name}: ${source}`);
      assert.ok(says.length > 20, name);
      assert.equal(refuses !== undefined, name in breaches, name);
    }
    for (const [name, { path, body }] of Object.entries(breaches)) {
      assert.match(await send("POST", path, body), /^400 Invalid value for field/, name);
    }
  });

  it("changes labels, network tags and metadata only with a current fingerprint", async () => {
    await makeMachine(api, "worker");
    const machine = api.project("bakery").instances.get("here-a/worker")!;
    const wrong = { fingerprint: "AAAA", labelFingerprint: "AAAA" };
    const tags = { items: ["ci"] };
    assert.match(
      await send("POST", `${zone}/instances/worker/setTags`, { ...tags, fingerprint: wrong.fingerprint }),
      /^412 /,
    );
    assert.match(
      await send("POST", `${zone}/instances/worker/setMetadata`, { fingerprint: wrong.fingerprint }),
      /^412 /,
    );
    const labels = { labels: {}, labelFingerprint: wrong.labelFingerprint };
    assert.match(await send("POST", `${zone}/instances/worker/setLabels`, labels), /^412 /);
    const { fingerprint } = machine.tags;
    await insert(api, `${zone}/instances/worker/setTags`, { ...tags, fingerprint });
    assert.deepEqual(machine.tags.items, ["ci"]);
    assert.notEqual(machine.tags.fingerprint, fingerprint);
  });

  it("deletes a machine at the end of its run duration, unless it was stopped before", async () => {
    await makeMachine(api, "running");
    await makeMachine(api, "stopped");
    const { instances } = api.project("bakery");
    for (const machine of instances.values()) {
      machine.scheduling = { maxRunDuration: { seconds: "600" }, instanceTerminationAction: "DELETE" };
      await stopInstance(api, machine);
    }
    assert.match(await send("POST", `${zone}/instances/running/start`, {}), /^200 /);
    while (instances.get("here-a/running")!.status !== "RUNNING")
      await new Promise((resolve) => setTimeout(resolve, 2));
    await endRuns(api, api.project("bakery"), new Date(Date.now() + 700_000));
    assert.deepEqual([...instances.keys()], ["here-a/stopped"]);
  });

  it("accepts an image of a disk that is not ready, but fails the operation", async () => {
    await insert(api, `${zone}/disks`, { name: "half", sourceImage: image.sourceImage });
    api.project("bakery").disks.get("here-a/half")!.status = "CREATING";
    const made = insert(api, "projects/bakery/global/images", { name: "worker", sourceDisk: `${zone}/disks/half` });
    await assert.rejects(made, /RESOURCE_NOT_READY/);
  });

  it("deletes neither an image that it is making nor the disk that it is made of", async () => {
    await insert(api, `${zone}/disks`, { name: "full", sourceImage: image.sourceImage });
    let finish = () => {};
    api.hypervisor.makeImage = () => new Promise((resolve) => (finish = () => resolve(undefined)));
    const images = "projects/bakery/global/images";
    const making = insert(api, images, { name: "worker", sourceDisk: `${zone}/disks/full` });
    while (!api.project("bakery").images.has("worker")) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.match(await send("DELETE", `${images}/worker`), /^400 .* is not ready/);
    assert.match(await send("DELETE", `${zone}/disks/full`), /^400 .* already being used by '.*images\/worker'/);
    finish();
    await making;
    assert.match(await send("DELETE", `${images}/worker`), /^200 /);
    assert.match(await send("DELETE", `${zone}/disks/full`), /^200 /);
  });

  it("gives an image the guest OS features of its disk and of the request", async () => {
    await insert(api, `${zone}/disks`, { name: "full", sourceImage: image.sourceImage });
    const guestOsFeatures = [{ type: "GVNIC" }, { type: "SEV_CAPABLE" }];
    await insert(api, "projects/bakery/global/images", {
      name: "worker",
      sourceDisk: `${zone}/disks/full`,
      guestOsFeatures,
    });
    const types = api
      .project("bakery")
      .images.get("worker")!
      .guestOsFeatures.map(({ type }) => type);
    assert.deepEqual(types, ["UEFI_COMPATIBLE", "GVNIC", "SEV_CAPABLE"]);
  });
});
