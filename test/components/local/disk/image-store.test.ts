// The image directory: which folders count as images, and errors for damaged ones.
import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeFile } from "../../../../components/local/provider/disk/disk-files.ts";
import {
  findImage,
  listImages,
  partialFolder,
  writeProof,
} from "../../../../components/local/provider/disk/image-store.ts";

describe("the image directory", () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-images-store-"));
  });
  afterEach(() => rm(home, { recursive: true }));

  /** Makes an image with one file. @returns its path. */
  async function makeImage(name: string, stack = "local", builtAt = "2026-01-01T00:00:00Z"): Promise<string> {
    const path = join(home, "debian12", name);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, "disk.qcow2"), "disk");
    const files = [await describeFile(join(path, "disk.qcow2"))];
    await writeFile(join(path, "manifest.json"), JSON.stringify({ project: "ci-images", stack, builtAt, files }));
    return path;
  }

  const owner = { project: "ci-images", stack: "local", distribution: "debian12" };

  it("lists a stack's own images, newest first, and nothing incomplete", async () => {
    const old = await makeImage("old", "local", "2026-01-01T00:00:00Z");
    const young = await makeImage("young", "local", "2026-02-01T00:00:00Z");
    await makeImage("foreign", "other");
    await makeImage(partialFolder("half"));
    await mkdir(join(home, "debian12", "empty"));
    assert.deepEqual(
      (await listImages(home, owner)).map(({ path }) => path),
      [young, old],
    );
  });

  it("ignores a damaged image of another stack", async () => {
    const own = await makeImage("own");
    await appendFile(join(await makeImage("foreign", "other"), "disk.qcow2"), "x");
    assert.deepEqual(
      (await listImages(home, owner)).map(({ path }) => path),
      [own],
    );
  });

  it("has no images if the directory is missing", async () => {
    assert.deepEqual(await listImages(join(home, "missing"), owner), []);
  });

  it("counts an image as verified only if it has a proof", async () => {
    const path = await makeImage("one");
    assert.equal((await findImage(path))!.proof, undefined);
    await writeProof(path, { verifiedAt: "2026-01-01T00:00:00Z", how: "none", checks: [] });
    assert.equal((await findImage(path))!.proof!.how, "none");
  });

  it("treats an image whose disk is missing as deleted", async () => {
    const path = await makeImage("one");
    await rm(join(path, "disk.qcow2"));
    assert.equal(await findImage(path), undefined);
  });

  it("refuses an image whose disk is corrupted, with the file's name", async () => {
    const path = await makeImage("one");
    await appendFile(join(path, "disk.qcow2"), "x");
    await assert.rejects(findImage(path), (error: Error) => error.message.includes(join(path, "disk.qcow2")));
  });

  it("refuses a manifest that is not JSON, with the file's name", async () => {
    const path = await makeImage("one");
    await writeFile(join(path, "manifest.json"), "{");
    await assert.rejects(findImage(path), /manifest\.json: is not JSON/);
  });
});
