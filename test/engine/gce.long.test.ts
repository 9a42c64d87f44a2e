// Stack `gce` on the test cloud: a Compute Engine whose instances are containers.
import { lifeCycle } from "./cloud-life-cycle.ts";
import { openGce } from "./subjects/gce.ts";

describe("stack gce on the test cloud", function () {
  this.timeout(300_000);
  describe("from the first preview to an image that needs nothing more", () => lifeCycle(openGce));
});
