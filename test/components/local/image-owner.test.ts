// Stacks with the same recipe and image directory: an image belongs to one of them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { preflight } from "../../../components/local/provider/functions/lookups.ts";
import { findImage, partialFolder } from "../../../components/local/provider/disk/image-store.ts";
import { image } from "../../../components/local/provider/resources/image.ts";
import { lease } from "../../../components/local/provider/resources/lease.ts";
import { emptyCache, otherProcess } from "./support.ts";
import { makeStoredImage } from "./stored-image.ts";

describe("an image of another stack", function () {
  this.timeout(60_000);
  let home: string;
  let path: string;
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  const recipe = "0123456789abcdef";
  const [own, other] = ["own", "other"].map((stack) => ({ project: "ci-images", stack }));

  beforeEach(async () => {
    cache = await emptyCache();
    home = await mkdtemp(join(tmpdir(), "ci-images-owner-"));
    path = join(home, "debian12", `worker-${recipe.slice(0, 12)}`);
  });
  afterEach(async () => {
    await cache.restore();
    await rm(home, { recursive: true });
  });

  const context = (owner: object) => ({ progress: () => {}, signal: new AbortController().signal, owner }) as never;
  const identity = { recipe, name: "worker", distribution: "debian12" };
  const check = (owner: typeof own, takesOver = false, claim = false) =>
    preflight.call(
      { home, size: 2 ** 20, builder: false, image: true, boots: false, made: { path, ...owner, takesOver, claim } },
      context(owner),
    );
  const refusal = /an image of stack other of project ci-images, with the same recipe.*`ci-images:imageDirectory`/;

  /** Starts another process that claims the bake. @returns a function that kills it. */
  async function otherBake(): Promise<() => Promise<void>> {
    const body = `
      const { claimBake } = await import("./components/local/provider/disk/bake-claim.ts");
      say(await claimBake(input));
      setInterval(() => {}, 1000);`;
    const baking = otherProcess(body, path);
    await new Promise((resolve) => baking.stdout.once("data", resolve));
    return async () => {
      baking.kill("SIGKILL");
      await baking.catch(() => undefined);
    };
  }

  it("is refused before a bake, and neither adopted nor deleted", async () => {
    await makeStoredImage(path, { recipe });
    await check(other);
    await assert.rejects(check(own), refusal);
    await assert.rejects(check(own, true), refusal, "a verified image is nobody else's to replace");
    await assert.rejects(image.create({ path, ...identity, ...own }, context(own)), refusal);
    const { id, outputs } = await image.create({ path, ...identity, ...other }, context(other));
    // As a state of an earlier version has it.
    await image.delete!(id, outputs, context(own));
    assert.ok(await findImage(path));
    await rm(join(path, "disk.qcow2"));
    await image.delete!(id, outputs, context(own));
    assert.ok(existsSync(path), "nor what is left of it");
    await image.delete!(id, outputs, context(other));
    assert.ok(!existsSync(path));
  });

  it("is replaced only if it was not verified, by a stack of a cloud that bakes the recipe, too", async () => {
    await makeStoredImage(path, { recipe, proven: false });
    await assert.rejects(check(own), refusal);
    await check(own, true);
    await assert.rejects(image.create({ path, ...identity, ...own }, context(own)), refusal, "nothing to replace it");
  });

  it("is not baked by two commands at once, and its unfinished folder stays while one bakes it", async () => {
    await mkdir(partialFolder(path), { recursive: true });
    const kill = await otherBake();
    await assert.rejects(check(own, false, true), /is being baked by another command/);
    await check(own);
    const leased = { machine: "none", image: path, deadline: new Date().toISOString() };
    await lease.delete!("none", leased as never, context(own));
    assert.ok(existsSync(partialFolder(path)));
    await kill();
    await lease.delete!("none", leased as never, context(own));
    assert.ok(!existsSync(partialFolder(path)));
  });

  it("is baked, or cleaned up, although the process of a command that was killed takes another second to end", async () => {
    await mkdir(partialFolder(path), { recursive: true });
    const leased = { machine: "none", image: path, deadline: new Date().toISOString() };
    const kill = await otherBake();
    await Promise.all([lease.delete!("none", leased as never, context(own)), delay(1000).then(kill)]);
    assert.deepEqual(await readdir(dirname(path)), [], "neither an unfinished folder nor a lock file is left");
    const killAgain = await otherBake();
    await Promise.all([check(own, false, true), delay(1000).then(killAgain)]);
  });

  it("may be baked twice by one command, under two names", async () => {
    const body = `
      const { claimBake } = await import("./components/local/provider/disk/bake-claim.ts");
      say(await Promise.all(input.map(claimBake)));
      process.exit();`;
    const twin = join(dirname(path), `twin-${basename(path).slice(-12)}`);
    const { stdout, stderr } = await otherProcess(body, [path, twin]);
    assert.equal(stdout, "[true,true]", stderr);
  });
});
