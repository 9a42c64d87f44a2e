// The differences between two generations.
import assert from "node:assert/strict";
import { compareImages, comparePackages } from "../../cli/compare-generations.ts";

const plan = {
  ...{ name: "worker", recipe: "a", distribution: "debian12", size: "4G", formats: ["qcow2"], tests: "t", seal: "1" },
  base: { id: "base", description: "debian 12" },
  modules: [{ name: "nginx", hash: "11111111", settings: "s" }],
};

describe("two generations", () => {
  it("differ in packages that were added, removed or changed in version, even with several versions installed", () => {
    const before = [
      { name: "curl", version: "1" },
      { name: "git", version: "1" },
      { name: "kernel", version: "5" },
      { name: "same", version: "1" },
    ];
    const after = [
      { name: "git", version: "2" },
      { name: "kernel", version: "6" },
      { name: "kernel", version: "5" },
      { name: "nginx", version: "1" },
      { name: "same", version: "1" },
    ];
    assert.deepEqual(comparePackages(before, after), ["- curl 1", "~ git 1 => 2", "~ kernel 5 => 5, 6", "+ nginx 1"]);
  });

  it("are compared by recipe, packages and size; unknown facts are named", () => {
    const now = { ...plan, recipe: "b", size: "8G" };
    const lines = compareImages({ plan, bytes: 2 ** 20 }, { plan: now, bytes: 3 * 2 ** 20 });
    assert.deepEqual(lines, [
      "disk size: 4G => 8G",
      "packages: cannot be compared, only images on this computer list them",
      "size: 1 MiB => 3 MiB",
    ]);
    assert.deepEqual(compareImages({ plan, packages: [], bytes: 1 }, { plan, packages: [], bytes: 1 }), []);
  });
});
