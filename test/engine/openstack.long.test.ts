// Stack `openstack`: the cloud of `rackspace` under its general name. Settings and outputs are under `openstack`.
import { lifeCycle } from "./cloud-life-cycle.ts";
import { openRackspace } from "./subjects/rackspace.ts";

describe("stack openstack on the test cloud", function () {
  this.timeout(300_000);
  lifeCycle(() => openRackspace(["ORD"], { name: "openstack" }));
});
