// The ids that `export` writes.
import assert from "node:assert/strict";
import { imageIds } from "../../cli/verbs/export.ts";

describe("`export`", () => {
  it("names an image on this computer by its disk; one that has only a tar, by its folder", () => {
    const image = { recipe: "1", builtAt: "T", path: "/images/1" };
    const ids = imageIds([
      { place: ["local", "debian12"], image: { ...image, disk: "/images/1/disk.qcow2" } },
      { place: ["local", "debian13"], image: { ...image, path: "/images/2" } },
      { place: ["aws", "us-west-2", "debian12"], image: { ...image, id: "ami-1" } },
    ]);
    assert.deepEqual(ids, {
      local: { localhost: { debian12: "/images/1/disk.qcow2", debian13: "/images/2" } },
      aws: { "us-west-2": { debian12: "ami-1" } },
    });
  });
});
