// A recipe on top of another recipe, on each test cloud, on the real engine.
import { twoTiers } from "./cloud-tiers.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";

describe("a recipe on top of a recipe", function () {
  this.timeout(900_000);
  describe("on stack ec2", () => twoTiers(() => openEc2()));
  describe("on stack gce", () => twoTiers(() => openGce()));
  describe("on stack rackspace", () => twoTiers(() => openRackspace()));
});
