// Our replacement for the command plugin, without the engine: commands over a real SSH session.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { runCommand } from "../../toolchain/offline/command-plugin/command.mjs";
import { difference } from "../../toolchain/offline/command-plugin/difference.mjs";
import { check, resources } from "../../toolchain/offline/command-plugin/schema.mjs";
import { isSecret, reveal, secret, unknownValue } from "../../toolchain/offline/command-plugin/values.mjs";
import { startSshServer, type SshServer } from "./ssh-server.ts";

describe("our command plugin", function () {
  this.timeout(120_000);
  let server: SshServer;
  let folder: string;
  let lines: string[];
  let warnings: string[];
  beforeEach(async () => {
    server = await startSshServer();
    folder = await mkdtemp(join(tmpdir(), "ci-images-plugin-"));
    [lines, warnings] = [[], []];
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const connection = (changes: object = {}) => ({
    host: "127.0.0.1",
    port: server.port,
    user: "root",
    privateKey: server.privateKey,
    hostKey: server.hostKey,
    dialErrorLimit: 0,
    perDialTimeout: 15,
    ...changes,
  });
  const log = {
    status: (line: string) => void lines.push(line),
    warning: (line: string) => void warnings.push(line),
    error: (line: string) => void warnings.push(line),
  };
  const never = new AbortController().signal;
  const run = (command: string, state: object = {}, signal = never) =>
    runCommand({ connection: connection(), ...state }, command, signal, log);

  /** Waits until the server runs the next command, or until the command has printed this line. */
  async function whenRunning(line?: string): Promise<void> {
    const before = server.commands.length;
    while (line === undefined ? server.commands.length === before : !lines.includes(line))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  it("passes a command its standard input, and returns its output without the last newline", async () => {
    const output = await run("cat; echo problem >&2", { stdin: "ä\n".repeat(50_000) });
    assert.equal(output.stdout, "ä\n".repeat(50_000).slice(0, -1));
    assert.equal(output.stderr, "problem");
  });

  it("logs whole lines, in order, of the requested streams", async () => {
    await run("printf 'a'; sleep 0.1; printf 'b\\nc\\n\\nlast'", {});
    assert.deepEqual(lines, ["ab", "c", "", "last"]);
    lines.length = 0;
    await run("echo out; echo err >&2", { logging: "stderr" });
    assert.deepEqual(lines, ["err"]);
    lines.length = 0;
    await run("echo out; echo err >&2", { logging: "none" });
    assert.deepEqual(lines, []);
  });

  it("fails with the official plugin's messages and the command's output", async () => {
    await assert.rejects(run(`echo "out"; exit 3`), {
      message: 'Process exited with status 3: running "echo \\"out\\"; exit 3":\nout\n',
    });
    await assert.rejects(run("kill -TERM $$"), /^Error: Process exited with status 143 from signal TERM: running/);
    void whenRunning().then(() => server.cut());
    await assert.rejects(run("sleep 20"), /^Error: wait: remote command exited without exit status or exit signal: /);
  });

  it("notices that a machine or the network has gone, even if nobody says so, and keeps a silent command", async () => {
    // Five minutes pass in 1.5 seconds.
    const { setInterval } = globalThis;
    globalThis.setInterval = ((act: () => void, pause: number) => setInterval(act, pause / 200)) as typeof setInterval;
    const sockets: Socket[] = [];
    const relay = createServer((client) => {
      const onward = connect(server.port, "127.0.0.1");
      client.pipe(onward).pipe(client);
      for (const socket of [client, onward]) sockets.push(socket.on("error", () => {}));
    });
    relay.listen(0, "127.0.0.1");
    await once(relay, "listening");
    const through = { connection: connection({ port: (relay.address() as AddressInfo).port }) };
    try {
      await run("sleep 3", through);
      void whenRunning("ready").then(() => sockets.forEach((socket) => socket.unpipe()));
      await assert.rejects(
        run("echo ready; sleep 100", through),
        /remote command exited without exit status or exit signal/,
      );
    } finally {
      globalThis.setInterval = setInterval;
      for (const socket of sockets) socket.destroy();
      relay.close();
      server.cut();
    }
  });

  it("closes the session of a cancelled command", async () => {
    const reason = new Error("cancelled");
    const controller = new AbortController();
    void whenRunning("ready").then(() => controller.abort(reason));
    const command = `trap 'echo gone > ${folder}/gone' HUP; echo ready; sleep 20 & wait`;
    await assert.rejects(run(command, {}, controller.signal), reason);
    for (let tries = 0; tries < 100; tries++) {
      if ((await readFile(join(folder, "gone"), "utf8").catch(() => "")) === "gone\n") return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail("the command got no SIGHUP");
  });

  it("retries up to the limit, and then reports the last reason", async () => {
    server.refuse = 2;
    await run("true", { connection: connection({ dialErrorLimit: 2 }) });
    assert.deepEqual(lines, ["Dial 1/2 failed: retrying", "Dial 2/2 failed: retrying"]);
    await server.stop();
    const refused = /^Error: after 1 failed attempts: dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/;
    await assert.rejects(run("true", { connection: connection({ dialErrorLimit: 1 }) }), refused);
    server = await startSshServer();
  });

  it("fails with a wrong host key, private key or unreadable host key", async () => {
    const other = makeSshKeyPair();
    await assert.rejects(run("true", { connection: connection({ hostKey: other.publicKey }) }), /host key mismatch/);
    await assert.rejects(
      run("true", { connection: connection({ privateKey: other.privateKey }) }),
      /unable to authenticate/,
    );
    await assert.rejects(run("true", { connection: connection({ hostKey: "rubbish" }) }), /failed to parse host key/);
    assert.deepEqual(server.commands, []);
  });

  it("says that the machine refuses the key even if the SSH agent is gone", async () => {
    const wrong = { privateKey: makeSshKeyPair().privateKey, agentSocketPath: join(folder, "gone") };
    await assert.rejects(run("true", { connection: connection(wrong) }), /ssh: unable to authenticate/);
    await run("true", { connection: connection({ agentSocketPath: join(folder, "gone") }) });
  });

  describe("with a bastion", () => {
    let bastion: SshServer;
    beforeEach(async () => {
      bastion = await startSshServer();
    });
    afterEach(() => bastion.stop());
    const proxy = (changes: object = {}) => ({
      host: "127.0.0.1",
      port: bastion.port,
      user: "jump",
      privateKey: bastion.privateKey,
      hostKey: bastion.hostKey,
      dialErrorLimit: 0,
      perDialTimeout: 15,
      ...changes,
    });

    it("connects through it, and leaves no connection open", async () => {
      const through = connection({ proxy: proxy() });
      assert.equal((await run("echo hello", { connection: through })).stdout, "hello");
      assert.deepEqual(bastion.forwarded, [`127.0.0.1:${server.port}`]);
      while (bastion.connections > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    });

    it("retries bastion and machine up to their own limits, with the official plugin's messages", async () => {
      bastion.refuse = 1;
      server.refuse = 1;
      await run("true", { connection: connection({ dialErrorLimit: 1, proxy: proxy({ dialErrorLimit: 1 }) }) });
      assert.deepEqual(lines, ["Dial proxy 1/1 failed: retrying", "Dial from proxy 1/1 failed: retrying"]);
      await assert.rejects(
        run("true", { connection: connection({ port: 1, proxy: proxy() }) }),
        /^Error: proxy: after 0 failed attempts: ssh: rejected: connect failed/,
      );
    });

    it("limits the time that the bastion may take for each attempt, and can be cancelled meanwhile", async () => {
      bastion.stallsForwards = true;
      const through = (more: object) => ({ connection: connection({ proxy: proxy(), perDialTimeout: 1, ...more }) });
      await assert.rejects(
        run("true", through({ dialErrorLimit: 1 })),
        /^Error: proxy: after 1 failed attempts: dial tcp 127\.0\.0\.1:\d+: i\/o timeout \(the bastion/,
      );
      assert.deepEqual(lines, ["Dial from proxy 1/1 failed: retrying"]);
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error("cancelled")), 300);
      await assert.rejects(run("true", through({ perDialTimeout: 0 }), controller.signal), /cancelled/);
    });

    it("accepts only the bastion's pinned host key", async () => {
      const wrong = proxy({ hostKey: makeSshKeyPair().publicKey });
      await assert.rejects(
        run("true", { connection: connection({ proxy: wrong }) }),
        /^Error: proxy: .*host key mismatch/,
      );
      assert.deepEqual(bastion.forwarded, []);
    });
  });

  it("gives up an attempt that takes too long", async () => {
    const { createServer } = await import("node:net");
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as { port: number };
    await assert.rejects(run("true", { connection: connection({ port, perDialTimeout: 0.3 }) }), /i\/o timeout/);
    silent.close();
  });

  it("sets accepted variables, fails on a refused one, and only warns about refused previous output", async () => {
    server.acceptEnvironment.add("GIVEN").add("PULUMI_COMMAND_STDOUT");
    const state = { environment: { GIVEN: "a 'b'\nc" }, stdout: "before" };
    assert.equal((await run('echo "$GIVEN|$PULUMI_COMMAND_STDOUT"', state)).stdout, "a 'b'\nc|before");
    assert.deepEqual(warnings, []);
    await run("true", { stderr: "before" });
    assert.match(warnings.join(), /^Unable to set 'PULUMI_COMMAND_STDERR'/);
    await assert.rejects(
      run("true", { environment: { OTHER: "x" } }),
      /could not set environment variable "OTHER": ssh: setenv failed/,
    );
    server.commands.length = 0;
    await run("true", { stderr: "before", addPreviousOutputInEnv: false });
    assert.deepEqual(server.commands, ["true"]);
  });

  describe("inputs", () => {
    const fields = resources["command:remote:Command"];
    const reasons = (inputs: Record<string, unknown>) =>
      check(inputs, fields).failures.map(({ property, reason }) => `${property}: ${reason}`);

    it("have defaults, and the connection and its keys become secrets", () => {
      const { inputs, failures } = check({ connection: { host: "h", privateKey: "k" } }, fields);
      assert.deepEqual(failures, []);
      assert.ok(isSecret(inputs.connection));
      const inside = reveal(inputs.connection) as Record<string, unknown>;
      assert.deepEqual(inside, {
        ...{ host: "h", port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 },
        privateKey: secret("k"),
      });
    });

    it("are refused with the input's name and what is allowed", () => {
      assert.deepEqual(reasons({}), ["connection: missing required input"]);
      const connection = { host: "h" };
      assert.match(reasons({ connection, creat: "x" })[0], /^creat: there is no such input; allowed: .*create/);
      assert.deepEqual(reasons({ connection: { host: 5 } }), ["connection.host: expected a string, found a number"]);
      assert.deepEqual(reasons({ connection: { port: 22 } }), ["connection.host: missing required input"]);
      assert.match(reasons({ connection, logging: "all" })[0], /^logging: expected one of stdout, .*, found "all"/);
      assert.deepEqual(reasons({ connection, environment: { A: 1 } }), [
        "environment.A: expected a string, found a number",
      ]);
      assert.deepEqual(reasons({ connection: { host: "h", proxy: { host: "p" } } }), []);
      assert.deepEqual(reasons({ connection: { host: "h", proxy: { user: "u", key: "k" } } }), [
        "connection.proxy.key: there is no such input; allowed: host, port, user, password, privateKey, privateKeyPassword, agentSocketPath, dialErrorLimit, perDialTimeout, hostKey",
        "connection.proxy.host: missing required input",
      ]);
    });

    it("are accepted while they are unknown", () => {
      assert.deepEqual(reasons({ connection: unknownValue, create: secret(unknownValue) }), []);
    });

    it("are compared by value, whether secret or not", () => {
      const before = { connection: { host: "h" }, triggers: ["a"], create: "x" };
      assert.equal(difference(before, { ...before, connection: secret({ host: secret("h") }) }).size, 0);
      const changes = difference(before, { connection: { host: "i" }, triggers: ["a", "b"], update: "y" });
      assert.deepEqual(Object.fromEntries(changes), {
        ...{ "connection.host": "update", "triggers[1]": "add", create: "delete", update: "add" },
      });
    });
  });
});
