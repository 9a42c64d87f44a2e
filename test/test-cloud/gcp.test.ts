// The gcp plugin's stand-in: instances that are powered off and on, and valid API requests for all types.
import assert from "node:assert/strict";
import { startGce } from "./gce-api.ts";
import { stopInstance } from "./gce/machines.ts";
import { gcpStandIn } from "./gcp/stand-in.ts";
import type { Values } from "./bridge.ts";

describe("an instance of the gcp stand-in", () => {
  it("has no public address while it is stopped, and can only be created running", async () => {
    const api = await startGce();
    api.addBase("debian-cloud", "debian-12", { family: "debian-12" });
    const type = gcpStandIn(api).types["gcp:compute/instance:Instance"];
    const context = { config: { project: "bakery" }, signal: new AbortController().signal };
    const inputs = {
      name: "worker",
      zone: "here-a",
      machineType: "e2-small",
      bootDisk: { initializeParams: { image: "projects/debian-cloud/global/images/debian-12" } },
      networkInterfaces: [{ network: "default", accessConfigs: [{ networkTier: "PREMIUM" }] }],
      desiredStatus: "RUNNING",
    };
    const seen = ({ desiredStatus, networkInterfaces }: Values) => {
      const [{ networkIp, accessConfigs }] = networkInterfaces as { networkIp: string; accessConfigs: Values[] }[];
      return [desiredStatus, networkIp, accessConfigs];
    };
    try {
      const off = { ...inputs, desiredStatus: "TERMINATED" };
      await assert.rejects(async () => type.create(off, context), /desired_status can only accept RUNNING/);
      const { id, state } = await type.create(inputs, context);
      const access = { networkTier: "PREMIUM", natIp: "127.0.0.1" };
      assert.deepEqual(seen(state), ["RUNNING", "127.0.0.1", [access]]);
      const stopped = await type.update!(id, off, ["desiredStatus"], state, context);
      assert.deepEqual(seen(stopped), ["TERMINATED", "127.0.0.1", [{ ...access, natIp: "" }]]);
      assert.deepEqual(seen((await type.read(id, stopped, context))!), seen(stopped));
      const started = await type.update!(id, inputs, ["desiredStatus"], stopped, context);
      assert.deepEqual(seen(started), seen(state));
    } finally {
      await api.close();
    }
  });
});

describe("all types of the gcp stand-in", () => {
  it("are created, changed, read and deleted with valid API requests", async () => {
    const api = await startGce();
    api.addBase("debian-cloud", "debian-12", { family: "debian-12" });
    const { types } = gcpStandIn(api);
    const context = { config: { project: "bakery" }, signal: new AbortController().signal };
    const [project, zone, name] = ["bakery", "here-a", "worker"];
    const labels = { "ci-images-role": "builder" };
    const make = async (type: string, inputs: Values) => {
      const { id, state } = await types[type].create({ project, name, ...inputs }, context);
      assert.ok(await types[type].read(id, state, context), type);
      return { id, state, inputs: { project, name, ...inputs }, type };
    };
    try {
      const firewall = await make("gcp:compute/firewall:Firewall", {
        ...{ network: "default", description: "SSH", direction: "INGRESS", targetTags: [name], priority: 65533 },
        ...{ allows: [{ protocol: "tcp", ports: ["22"] }], sourceRanges: ["127.0.0.0/8"] },
      });
      const image = "projects/debian-cloud/global/images/debian-12";
      const disk = await make("gcp:compute/disk:Disk", { zone, image, size: 12, type: "pd-balanced", labels });
      const instance = await make("gcp:compute/instance:Instance", {
        ...{ zone, machineType: "e2-small", labels, tags: [name] },
        bootDisk: { source: disk.state.selfLink, autoDelete: false },
        networkInterfaces: [
          ...[{ network: "projects/host/global/networks/n", subnetwork: "inner", subnetworkProject: "host" }],
        ],
        metadata: { "user-data": "#cloud-config" },
        scheduling: {
          ...{ maxRunDuration: { seconds: 600 }, instanceTerminationAction: "DELETE", automaticRestart: false },
          ...{ provisioningModel: "SPOT", preemptible: true, onHostMaintenance: "TERMINATE" },
        },
        shieldedInstanceConfig: { enableVtpm: true, enableIntegrityMonitoring: true, enableSecureBoot: false },
        serviceAccount: { email: "x@y.iam.gserviceaccount.com", scopes: ["cloud-platform"] },
        desiredStatus: "RUNNING",
      });
      await stopInstance(api, api.project(project).instances.get("here-a/worker")!);
      const made = await make("gcp:compute/image:Image", {
        ...{ description: "x", labels, sourceDisk: disk.state.selfLink, storageLocations: ["eu"] },
        guestOsFeatures: [{ type: "SEV_CAPABLE" }],
      });
      for (const each of [instance, disk, made]) {
        const inputs = { ...each.inputs, labels: { ...labels, team: "ci" } };
        await types[each.type].update!(each.id, inputs, ["labels"], each.state, context);
      }
      const wider = { ...firewall.inputs, sourceRanges: ["0.0.0.0/0"] };
      await types[firewall.type].update!(firewall.id, wider, ["sourceRanges"], firewall.state, context);
      for (const each of [made, instance, disk, firewall]) await types[each.type].delete(each.id, each.state, context);
      assert.deepEqual(api.violations, []);
      assert.ok(api.project(project).isClean);
    } finally {
      await api.close();
    }
  });
});
