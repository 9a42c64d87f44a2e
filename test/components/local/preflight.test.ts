// What `local` demands before a bake starts.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../../../common/user-error.ts";
import { preflight } from "../../../components/local/provider/functions/lookups.ts";
import { emptyCache } from "./support.ts";

describe("the checks of stack local before a bake", function () {
  this.timeout(60_000);
  let folder: string;
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  const mounted: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-room-"));
    cache = await emptyCache();
  });
  afterEach(async () => {
    for (const place of mounted.splice(0)) await execa("umount", [place]);
    await cache.restore();
    await rm(folder, { recursive: true });
  });

  /** Mounts a file system of this size. @returns its path. */
  async function room(place: string, mebibytes: number): Promise<string> {
    await mkdir(place, { recursive: true });
    await execa("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", place]);
    mounted.push(place);
    return place;
  }

  const ask = (home: string, what: { builder?: boolean; image?: boolean; boots?: boolean }) =>
    preflight.call({ home, size: 8 * 2 ** 30, builder: true, image: true, boots: false, ...what }, {} as never);

  async function refusal(home: string, what: { builder?: boolean; image?: boolean } = {}): Promise<string> {
    const error: unknown = await ask(home, what).then(
      () => assert.fail("it was not refused"),
      (error: unknown) => error,
    );
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }

  it("show different numbers for free and needed space, even if they are almost equal", async () => {
    const home = await room(join(folder, "images"), 3 * 1024 - 1);
    assert.match(
      await refusal(home),
      /images: 2\.9 GiB of free disk; allowed: at least 3\.0 GiB for this bake's image/,
    );
  });

  it("also check the cache's file system, and say how to move the cache", async () => {
    await room(cache.path, 100);
    const home = await room(join(folder, "images"), 8 * 1024);
    const message = await refusal(home);
    assert.ok(message.startsWith(cache.path), message);
    assert.match(message, /at least 2\.0 GiB for this bake's builder.*CI_IMAGES_CACHE/s);
  });

  it("add up needs on the same file system", async () => {
    await room(cache.path, 4 * 1024);
    assert.match(await refusal(join(cache.path, "images")), /at least 5\.0 GiB for this bake's image and builder/);
  });

  it("demand no space for an image at earlier stages, and none for a builder that exists", async () => {
    const home = await room(join(folder, "images"), 1);
    await ask(home, { image: false });
    await room(cache.path, 1);
    await ask(home, { builder: false });
  });

  it("demand QEMU if the image will be booted here, and only then", async () => {
    const { PATH } = process.env;
    process.env.PATH = folder;
    try {
      const wants = { builder: false, image: true };
      assert.deepEqual(await ask(folder, wants), {});
      await assert.rejects(
        ask(folder, { ...wants, boots: true }),
        /qemu-system-x86 is not installed; cure: .*verify: false/,
      );
    } finally {
      process.env.PATH = PATH;
    }
  });
});
