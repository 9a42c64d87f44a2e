// `npm run test:account` checks real accounts. Here it runs on the test clouds: its verdict, and that it always cleans
// up.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dump } from "js-yaml";
import { projectDirectory } from "../../toolchain/versions.mjs";
import type { FallibleSubject } from "./cloud-faults.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";

const subjects: Record<string, () => Promise<FallibleSubject>> = {
  ec2: openEc2,
  gce: openGce,
  rackspace: openRackspace,
};

describe("npm run test:account", function () {
  this.timeout(600_000);
  let folder: string;
  let cloud: FallibleSubject;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-account-"));
  });
  afterEach(async () => {
    try {
      await cloud.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  /** Starts the check. @returns the process, and a function that returns its output so far. */
  async function start(name: string, ...more: string[]): Promise<{ running: ChildProcess; said: () => string }> {
    const file = join(folder, "settings.yaml");
    const settings = Object.entries({ ...cloud.settings, sshFrom: ["127.0.0.0/8"] });
    await writeFile(
      file,
      dump({ config: Object.fromEntries(settings.map(([key, value]) => [`ci-images:${key}`, value])) }),
    );
    const words = ["--import=tsx", "scripts/test-account/main.ts", "--cloud", name, "--settings", file, ...more];
    const env = { ...process.env, ...cloud.variables, CI_IMAGES_POLL_SECONDS: "0.3" };
    const running = spawn(process.execPath, words, { cwd: projectDirectory, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [running.stdout, running.stderr]) {
      stream.on("data", (data: Buffer) => (output += data.toString()));
    }
    return { running, said: () => output };
  }

  for (const [name, open] of Object.entries(subjects)) {
    it(`passes on a good ${name} account and leaves nothing behind`, async () => {
      cloud = await open();
      const { running, said } = await start(name, "--yes");
      const [code] = (await once(running, "close")) as [number];
      assert.equal(code, 0, said());
      assert.match(said(), /This costs /);
      assert.equal(said().match(/^ok {6}/gm)?.length, 8, said());
      assert.match(said(), new RegExp(`^${cloud.cloud}: passed, and nothing is left over$`, "m"));
      assert.deepEqual(await cloud.leftovers(), []);
    });
  }

  it("does nothing without --yes, and cleans up after Ctrl-C while it creates a machine", async () => {
    cloud = await openRackspace();
    const refused = await start("rackspace");
    assert.deepEqual(await once(refused.running, "close"), [1, null], refused.said());
    assert.match(refused.said(), /This costs[^]*no terminal to ask on/);
    const { running, said } = await start("rackspace", "--yes");
    const closed = once(running, "close");
    while ((await cloud.machines()).length === 0) {
      assert.equal(running.exitCode, null, said());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    running.kill("SIGINT");
    running.kill("SIGINT");
    assert.deepEqual(await closed, [130, null], said());
    assert.match(said(), /interrupted: cleaning up[^]*FAILED: interrupted/);
    assert.deepEqual(await cloud.leftovers(), []);
  });

  it("reports a failed image with the cloud's reason, and leaves nothing behind", async () => {
    cloud = await openRackspace();
    cloud.failNextImage();
    const { running, said } = await start("rackspace", "--yes");
    assert.deepEqual(await once(running, "close"), [1, null], said());
    assert.match(said(), /^FAILED {2}bakes and verifies an image[^]*it ended as killed/m);
    assert.deepEqual(await cloud.leftovers(), []);
  });
});
