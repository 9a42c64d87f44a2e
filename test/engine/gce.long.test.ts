// Stack `gce` on the test cloud: a Compute Engine whose instances are containers.
import { newerBase } from "./cloud-bases.ts";
import { faults } from "./cloud-faults.ts";
import { lifeCycle, mishaps } from "./cloud-life-cycle.ts";
import { stagesAndPower } from "./cloud-stages.ts";
import { openGce } from "./subjects/gce.ts";

describe("stack gce on the test cloud", function () {
  this.timeout(300_000);
  describe("from the first preview to the finished image", () => lifeCycle(openGce));
  describe("on a cloud that misbehaves", () => faults(openGce));
  describe("with a finished image", () => mishaps(openGce));
  describe("when a newer base image is published", () => newerBase(openGce));
  describe("baking in stages, with the builder powered off in between", () => stagesAndPower(openGce));
});
