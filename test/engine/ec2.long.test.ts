// Stack `ec2` on the test cloud: moto, with containers as instances.
import { newerBase } from "./cloud-bases.ts";
import { faults } from "./cloud-faults.ts";
import { lifeCycle, mishaps } from "./cloud-life-cycle.ts";
import { openEc2 } from "./subjects/ec2.ts";

describe("stack ec2 on the test cloud", function () {
  this.timeout(300_000);
  describe("from the first preview to the finished image", () => lifeCycle(openEc2));
  describe("on a cloud that misbehaves", () => faults(openEc2));
  describe("with a finished image", () => mishaps(openEc2));
  describe("when a newer base image is published", () => newerBase(openEc2));
});
