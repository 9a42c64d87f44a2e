// Stack `rackspace` on the test cloud: an OpenStack whose servers are containers.
import { newerBase } from "./cloud-bases.ts";
import { faults } from "./cloud-faults.ts";
import { lifeCycle, mishaps } from "./cloud-life-cycle.ts";
import { stagesAndPower } from "./cloud-stages.ts";
import { openRackspace } from "./subjects/rackspace.ts";

describe("stack rackspace on the test cloud", function () {
  this.timeout(300_000);
  describe("from the first preview to the finished image", () => lifeCycle(() => openRackspace()));
  describe("on a cloud that misbehaves", () => faults(() => openRackspace()));
  describe("with a finished image", () => mishaps(() => openRackspace()));
  describe("when a newer base image is published", () => newerBase(() => openRackspace()));
  describe("baking in stages, with the builder powered off in between", () => stagesAndPower(() => openRackspace()));
});
