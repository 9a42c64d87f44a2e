// How a bake gets into a machine, against SSH servers in this process. A refused login is not the same as a machine
// that is still booting.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { returned } from "../../provider/resources/return.ts";
import { WayFinder, waysTo } from "../../provider/kit/way-in.ts";
import { until } from "../test-cloud/until.ts";

type Behaviour = "lets in" | "lets in slowly" | "refuses" | "closes" | "runs nothing";

describe("the way into a machine", () => {
  const [host, other, login] = [makeSshKeyPair(), makeSshKeyPair(), makeSshKeyPair()];
  const open = new Set<ssh2.Server>();
  afterEach(() => {
    for (const server of open) server.close();
    open.clear();
  });

  /** Starts an SSH server with this behaviour. @returns the connection to it. */
  async function machine(behaviour: Behaviour, hostKey = host, address = "127.0.0.1") {
    const server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (client) => {
      client.on("error", () => {});
      client.on("authentication", (attempt) => {
        if (behaviour === "closes" && attempt.method === "publickey") client.end();
        else if (behaviour === "refuses" || attempt.method === "none") attempt.reject(["publickey"]);
        else setTimeout(() => attempt.accept(), behaviour === "lets in slowly" ? 1500 : 0);
      });
      client.on("session", (accept) =>
        accept().on("exec", (accept) => {
          const channel = accept();
          channel.write("This account is currently not available.\n");
          channel.exit(behaviour.startsWith("lets in") ? 0 : 1);
          channel.end();
        }),
      );
    });
    open.add(server);
    server.listen(0, address);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return { host: address, port, user: "debian", hostKey: host.publicKey };
  }

  const finder = (more: object = {}) =>
    new WayFinder({ privateKey: login.privateKey, patience: 5000, grace: 0, refusal: 0.2, closing: 0.2, ...more });

  it("is the bake's own way if it works, or after a grace period ordinary SSH", async () => {
    const [own, ordinary] = [await machine("lets in"), await machine("lets in")];
    assert.deepEqual(await finder().look({ own, ordinary }), { done: own });
    for (const behaviour of ["refuses", "closes", "runs nothing"] as const) {
      const broken = await machine(behaviour);
      assert.deepEqual(await finder().look({ own: broken, ordinary }), { done: ordinary }, behaviour);
      assert.deepEqual(await finder({ grace: 60 }).look({ own: broken, ordinary }), { state: "" }, "not at once");
    }
  });

  it("has a minute for the login once the machine has begun to answer", async () => {
    // Not 127.0.0.1, where a port forward's tool is given time to start.
    const slow = await machine("lets in slowly", host, "127.77.0.9");
    assert.deepEqual(await finder({ patience: 500 }).look({ ordinary: slow }), { done: slow });
  });

  it("is an error with cause and cure, after a while, if the machine refuses the key or runs no command", async () => {
    const said = {
      refuses: /^it has booted, but SSH at port \d+ refuses debian's login with the bake's key$/,
      closes: /SSH at port \d+ accepts debian's login, but runs no command \(it closed the connection\)/,
      "runs nothing": /runs no command \(the command `true` ended with exit status 1 This account is currently not/,
    };
    for (const [behaviour, expected] of Object.entries(said)) {
      const [looker, ordinary] = [finder(), await machine(behaviour as Behaviour)];
      const first = await looker.look({ ordinary });
      assert.ok("state" in first && /SSH at port/.test(first.state), behaviour);
      await until("it is an error", 10, async () => "failed" in (await looker.look({ ordinary })));
      const seen = await looker.look({ ordinary });
      assert.ok("failed" in seen);
      assert.match(seen.failed, expected);
      assert.match(seen.cure!, /AuthorizedKeysFile, AllowUsers/);
    }
  });

  it("stays unknown while nothing answers, or only another host key does, however long that takes", async () => {
    const looker = finder({ refusal: 0.001, closing: 0.001 });
    assert.deepEqual(await looker.look({ ordinary: { ...(await machine("lets in")), port: 1 } }), { state: "" });
    const seen = await looker.look({ ordinary: await machine("lets in", other) });
    assert.ok("state" in seen);
    assert.match(seen.state, /^SSH at port \d+ answers with another host key/);
  });

  it("is only ordinary SSH through a port forward, which forwards one port", () => {
    const connection = { host: "127.0.0.1", port: 20_000, user: "debian", hostKey: host.publicKey };
    assert.deepEqual(waysTo(connection), { ordinary: connection });
    assert.equal(waysTo({ ...connection, host: "192.0.2.1", port: 22 }).own?.port, 61022);
  });

  it("is awaited after a reboot", async () => {
    const context = { progress: () => {}, signal: new AbortController().signal };
    const connection = {
      ...(await machine("lets in")),
      privateKey: login.privateKey,
      dialErrorLimit: 9,
      perDialTimeout: 15,
    };
    await returned.create({ connection, triggers: [] }, context);
    assert.deepEqual(returned.contract.secrets, ["connection"]);
  });
});
