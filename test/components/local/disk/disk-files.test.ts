import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeFile, verifyFiles, type ImageFile } from "../../../../components/local/provider/disk/disk-files.ts";

describe("files of a local image", () => {
  let folder: string;
  let files: ImageFile[];
  const path = (name: string): string => join(folder, name);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await writeFile(path("disk.qcow2"), "content");
    await writeFile(path("disk.raw"), "other");
    files = await Promise.all(["disk.qcow2", "disk.raw"].map((name) => describeFile(path(name))));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("have the sha256 that sha256sum gives", () => {
    assert.equal(files[0]?.sha256, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
    assert.equal(files[0]?.bytes, 7);
  });

  it("pass both checks if nothing was changed", async () => {
    await verifyFiles(folder, files, "quick");
    await verifyFiles(folder, files, "full");
  });

  it("are all named if they are missing or changed", async () => {
    await writeFile(path("disk.qcow2"), "c0ntent");
    await rm(path("disk.raw"));
    await assert.rejects(verifyFiles(folder, files), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert.match(
        error.message,
        /disk\.qcow2: is corrupted: its sha256 is [0-9a-f]{64}; allowed: [0-9a-f]{64}; cure: /,
      );
      assert.match(error.message, /disk\.raw: is missing/);
      return true;
    });
  });

  it("fail the quick check if only the content changed, but not if only the time did", async () => {
    await utimes(path("disk.raw"), 1, 1);
    await verifyFiles(folder, files, "quick");
    await writeFile(path("disk.raw"), "0ther");
    await utimes(path("disk.raw"), 1, 1);
    await assert.rejects(verifyFiles(folder, files, "quick"), /disk\.raw: is corrupted/);
  });

  it("fail the full check even if size and time match", async () => {
    await writeFile(path("disk.raw"), "0ther");
    const seconds = files[1].modified / 1000;
    await utimes(path("disk.raw"), seconds, seconds);
    assert.equal(await readFile(path("disk.raw"), "utf8"), "0ther");
    await assert.rejects(verifyFiles(folder, files, "full"), /disk\.raw: is corrupted/);
  });
});
