// The record of an image whose files somebody else has changed.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { image } from "../../../components/local/provider/resources/image.ts";
import { lease } from "../../../components/local/provider/resources/lease.ts";
import { emptyCache } from "./support.ts";
import { makeStoredImage } from "./stored-image.ts";

describe("an image with a missing disk", () => {
  let home: string;
  let path: string;
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  let lines: string[];
  const owner = { project: "ci-images", stack: "own" };
  const recipe = "0123456789abcdef";
  const identity = { recipe, name: "worker", distribution: "debian12", ...owner };

  beforeEach(async () => {
    cache = await emptyCache();
    home = await mkdtemp(join(tmpdir(), "ci-images-record-"));
    path = join(home, "debian12", `worker-${recipe.slice(0, 12)}`);
    lines = [];
  });
  afterEach(async () => {
    await cache.restore();
    await rm(home, { recursive: true });
  });

  const context = () =>
    ({ progress: (line: string) => lines.push(line), signal: new AbortController().signal, owner }) as never;

  /** Stores an image of the stack and deletes its disk. */
  async function damaged(options: { proven?: boolean; builtAt?: string } = {}): Promise<void> {
    const { proven, builtAt = "2026-01-01T00:00:00.000Z" } = options;
    await makeStoredImage(path, { recipe, formats: ["raw"], proven, manifest: { ...owner, builtAt } });
    await rm(join(path, "disk.raw"));
  }

  /** The record of an image that was complete when it was made. */
  async function recorded() {
    await makeStoredImage(path, { recipe, formats: ["raw"], manifest: owner });
    return image.create({ path, ...identity }, context());
  }

  it("keeps its record after a refresh, which says so, is baked again, and leaves nothing after destroy", async () => {
    const { id, outputs } = await recorded();
    await rm(join(path, "disk.raw"));
    lines = [];
    assert.deepEqual(await image.read!(id, outputs, context()), outputs);
    assert.deepEqual(lines, [`${path}: a file is missing, so the image counts as deleted`]);
    assert.equal(await image.drift!(id, outputs), "replace");
    await image.delete!(id, outputs, context());
    assert.ok(!existsSync(path));
  });

  it("stays if it is newer than the record", async () => {
    const { id, outputs } = await recorded();
    await damaged({ builtAt: "2026-02-02T00:00:00.000Z" });
    assert.equal(await image.read!(id, outputs, context()), undefined);
    await image.delete!(id, outputs, context());
    assert.ok(existsSync(path));
  });

  it("is removed with its machine's lease if it was not verified", async () => {
    const leased = { machine: "m-1", image: path, deadline: new Date().toISOString() };
    await damaged();
    await lease.delete!("m-1", leased as never, context());
    assert.ok(existsSync(path), "a verified one has its own record");
    await rm(path, { recursive: true });
    await damaged({ proven: false });
    await lease.delete!("m-1", leased as never, context());
    assert.ok(!existsSync(path));
  });
});
