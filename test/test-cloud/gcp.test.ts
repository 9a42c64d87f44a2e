// What the gcp stand-in says of an instance that is powered off and on.
import assert from "node:assert/strict";
import { startGce } from "./gce-api.ts";
import { gcpStandIn } from "./gcp/stand-in.ts";
import type { Values } from "./bridge.ts";

describe("an instance of the gcp stand-in", () => {
  it("gives its public address back while it is stopped, and is made running only", async () => {
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
