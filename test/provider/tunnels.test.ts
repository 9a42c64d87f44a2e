// Port forwards through a tool that makes one connection per run, like gcloud and the AWS CLI.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { execa } from "execa";
import { answers } from "../../cli/silent-builders.ts";
import { answersSsh } from "../../provider/kit/ssh-answer.ts";
import { forward } from "../../provider/resources/forward.ts";
import { closeForward, complaintAt, openForward } from "../../provider/tunnels.ts";
import { until } from "../test-cloud/until.ts";
import { startSshServer, type SshServer } from "../toolchain/ssh-server.ts";

describe("a port forward", () => {
  let server: SshServer;
  before(async () => {
    server = await startSshServer();
  });
  after(() => server.stop());

  /** A tool that connects its standard input and output to a port. */
  const tool = (port: number) => {
    const script = `const s = require("net").connect(${port}, "127.0.0.1"); process.stdin.pipe(s); s.pipe(process.stdout); s.on("error", (e) => { console.error("ERROR: " + e.code); process.exit(1); }); s.on("close", () => process.exit(0));`;
    return [process.execPath, "-e", script];
  };
  /** A server that sends nothing and closes no connection. */
  const listenMute = async () => {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { server, port: (server.address() as AddressInfo).port };
  };
  const context = { progress: () => {}, signal: new AbortController().signal };

  it("runs the tool for every connection, keeps its port, and is reopened by the check for drift", async () => {
    const command = tool(server.port);
    const { id, outputs } = await forward.create({ command }, context);
    const login = { host: outputs.host, port: outputs.port, user: "root", hostKey: server.hostKey };
    const both = await Promise.all([answersSsh(login, 20_000), answersSsh(login, 20_000)]);
    assert.deepEqual(both, [true, true]);
    await forward.delete!(id, outputs, context);
    assert.equal(await answersSsh(login, 1000), false);
    assert.equal(await forward.drift!(id, outputs), "none");
    assert.equal(await answersSsh(login, 20_000), true);
    await closeForward(command);
  });

  it("works although the tool prints a greeting first, like the Session Manager plugin", async () => {
    const [program, option, script] = tool(server.port);
    const command = [
      program,
      option,
      `process.stdout.write("\\nStarting session with SessionId: me-0a1b2c\\n"); ${script}`,
    ];
    const port = await openForward(command);
    const login = { host: "127.0.0.1", port, user: "root", hostKey: server.hostKey };
    assert.equal(await answersSsh(login, 20_000), true);
    await closeForward(command);
  });

  it("kills a tool that ignores the end of its standard input and SIGTERM", async () => {
    const { port: mute, server: listener } = await listenMute();
    const script = `process.on("SIGTERM", () => {}); const s = require("net").connect(${mute}, "127.0.0.1"); process.stdin.pipe(s, { end: false }); s.on("close", () => process.exit(0));`;
    const command = [process.execPath, "-e", script];
    const [incoming, outgoing] = [
      once(listener, "connection"),
      connect({ host: "127.0.0.1", port: await openForward(command) }),
    ];
    const [behind] = (await incoming) as [Socket];
    // Either event shows that the tool's end of the connection is gone with the tool.
    const gone = Promise.race([once(behind.resume(), "end"), once(behind, "error")]);
    outgoing.destroy();
    await gone;
    behind.destroy();
    listener.close();
    await closeForward(command);
  });

  it("lets the verbs check whether a builder answers, and always ends the tool", async () => {
    const script = `process.on("SIGTERM", () => {}); process.stdout.write("\\nStarting session\\nSSH-2.0-x\\r\\n"); console.error(process.pid); setInterval(() => {}, 1000);`;
    const marker = `ci-images-test-${process.pid}`;
    const tunnel = [process.execPath, "-e", script, marker];
    assert.equal(await answers({ host: "builder", port: 22, tunnel }, 20_000), true);
    await until("the tool has ended", 30, async () => !(await execa("ps", ["-eo", "args"])).stdout.includes(marker));
  });

  it("reports the tool's error", async () => {
    const command = tool(1);
    const port = await openForward(command);
    const place = { host: "127.0.0.1", port };
    assert.equal(await answersSsh({ ...place, user: "root", hostKey: server.hostKey }, 20_000), false);
    await until("the tool has ended", 30, async () => (await complaintAt(place)) !== undefined);
    assert.equal(await complaintAt(place), "ERROR: ECONNREFUSED");
    await closeForward(command);
  });
});
