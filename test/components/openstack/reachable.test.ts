// Waiting until a server answers by SSH, and saving its console if it does not. Also waiting in general.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import type { InputsOf } from "../../../common/contract.ts";
import type { Reachable } from "../../../components/openstack/contract.ts";
import { reachable } from "../../../components/openstack/provider/resources/reachable.ts";
import { longestPause, waitFor, type Seen } from "../../../provider/kit/wait.ts";
import { startSshServer, type SshServer } from "../../toolchain/ssh-server.ts";
import { addServer, cloudForEachTest, testContext } from "./support.ts";

describe("rackspace Boot", () => {
  const cloud = cloudForEachTest();
  let ssh: SshServer;
  let cache: string;
  let cacheBefore: string | undefined;
  beforeEach(async () => {
    ssh = await startSshServer();
    cache = await mkdtemp(join(tmpdir(), "consoles-"));
    cacheBefore = process.env.CI_IMAGES_CACHE;
    process.env.CI_IMAGES_CACHE = cache;
  });
  afterEach(async () => {
    if (cacheBefore === undefined) delete process.env.CI_IMAGES_CACHE;
    else process.env.CI_IMAGES_CACHE = cacheBefore;
    await ssh.stop();
    await rm(cache, { recursive: true });
  });
  const inputs = (server: string, changes: Partial<InputsOf<typeof Reachable>> = {}): InputsOf<typeof Reachable> => ({
    ...{ region: "RegionOne", server, host: "127.0.0.1", port: ssh.port, user: "debian", hostKey: ssh.hostKey },
    privateKey: ssh.privateKey,
    deadline: 5,
    power: "on",
    ...changes,
  });

  it("waits until the server's SSH answers with its host key, over several tries", async () => {
    ssh.refuse = 2;
    const { id } = await addServer(cloud());
    await reachable.create(inputs(id), testContext());
    assert.equal(ssh.refuse, 0);
  });

  it("waits again after the server was powered on, and not at all after it was powered off", async () => {
    const { id } = await addServer(cloud());
    const { outputs } = await reachable.create(inputs(id), testContext());
    ssh.refuse = 2;
    const off = await reachable.update!(id, outputs, inputs(id, { power: "off" }), testContext());
    assert.equal(ssh.refuse, 2);
    await reachable.update!(id, off, inputs(id), testContext());
    assert.equal(ssh.refuse, 0);
  });

  it("gives up on a server with another host key, and saves its console in a file that only the user can read", async () => {
    const { id } = await addServer(cloud(), { name: "worker-7" });
    cloud().region().hypervisor.console = async () => "Kernel panic - not syncing\n";
    const hostKey = makeSshKeyPair().publicKey;
    await assert.rejects(
      async () => reachable.create(inputs(id, { hostKey, deadline: 0.1 }), testContext()),
      (error: Error) => {
        assert.match(
          error.message,
          /waited 0 s for it to answer by SSH with its host key: it is still ACTIVE and does not answer at 127/,
        );
        assert.match(
          error.message,
          /its console \(.*\) was saved in .*consoles\/worker-7\.log, and says why: its kernel has panicked$/,
        );
        return true;
      },
    );
    const file = join(cache, "consoles", "worker-7.log");
    assert.equal(await readFile(file, "utf8"), "Kernel panic - not syncing\n");
    assert.equal((await stat(file)).mode & 0o077, 0);
  });

  it("fails at once with the reason if the server is broken or gone", async () => {
    const server = await addServer(cloud());
    Object.assign(server, { status: "ERROR", fault: { code: 500, message: "No valid host was found" } });
    const asked = inputs(server.id, { port: 1, deadline: 60 });
    await assert.rejects(async () => reachable.create(asked, testContext()), /it is in ERROR: No valid host was found/);
    cloud().region().servers.clear();
    await assert.rejects(async () => reachable.create(asked, testContext()), /is gone; cure: run `pulumi up` again/);
  });

  it("reports a console that can't be read", async () => {
    const { id } = await addServer(cloud());
    cloud().faults.refuse({ matches: /os-getConsoleOutput/, status: 409, message: "not ready" });
    const asked = inputs(id, { port: 1, deadline: 0.01 });
    await assert.rejects(
      async () => reachable.create(asked, testContext()),
      /its console could not be read: .*409: not ready/,
    );
  });
});

describe("waiting for a cloud", () => {
  const wait = (looks: Seen<string>[], deadline = 60) => ({
    ...{ what: "thing 7", until: "to be ready", deadline, lookAt: "show thing 7" },
    look: async () => (looks.length > 1 ? looks.shift()! : looks[0]),
  });
  let before: string | undefined;
  beforeEach(() => {
    before = process.env.CI_IMAGES_POLL_SECONDS;
    process.env.CI_IMAGES_POLL_SECONDS = "0.002";
  });
  afterEach(() => {
    if (before === undefined) delete process.env.CI_IMAGES_POLL_SECONDS;
    else process.env.CI_IMAGES_POLL_SECONDS = before;
  });

  it("shows each new state once, and returns the result", async () => {
    const context = testContext();
    const seen = [{ state: "cold" }, { state: "cold" }, { state: "warm" }, { done: "hot" }];
    assert.equal(await waitFor(wait(seen), context), "hot");
    assert.deepEqual(context.lines, ["thing 7 is cold", "thing 7 is warm"]);
  });

  it("fails at the deadline with the state, the time waited and where to look", async () => {
    await assert.rejects(
      waitFor(wait([{ state: "cold" }], 0.02), testContext()),
      /thing 7, waited 0 s for it to be ready: it is still cold; allowed: at most 0\.02 s; cure: look at it with `show thing 7`/,
    );
  });

  it("fails at once in a failed state", async () => {
    const failing = wait([{ failed: "it broke", cure: "mend it" }]);
    await assert.rejects(waitFor(failing, testContext()), /it broke; cure: mend it; look at it with `show thing 7`/);
  });

  it("polls at least every three seconds, unless the environment sets another interval", () => {
    assert.equal(longestPause({}), 3000);
    assert.equal(longestPause({ CI_IMAGES_POLL_SECONDS: "0.5" }), 500);
    assert.equal(longestPause({ CI_IMAGES_POLL_SECONDS: "soon" }), 3000);
  });
});
