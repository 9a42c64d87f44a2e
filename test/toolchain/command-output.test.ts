// Our replacement for the command plugin with commands that print a lot: the real process, an SSH server, and a slow
// engine.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import wire from "google-protobuf/google/protobuf/struct_pb.js";
import { Tail } from "../../toolchain/offline/command-plugin/output.mjs";
import { listen, unary } from "../../toolchain/offline/plugin-server.mjs";
import { connectionTo, startSshServer, type SshServer } from "./ssh-server.ts";

const pluginMain = fileURLToPath(new URL("../../toolchain/offline/command-plugin/main.mjs", import.meta.url));

describe("the end of an output", () => {
  const endOf = (text: string) => {
    const tail = new Tail(64 * 1024);
    tail.add(Buffer.from(text));
    return tail.text();
  };
  const progress = "50 %\r".repeat(20_000);

  it("begins with a whole line", () => {
    assert.match(endOf("a line\n".repeat(20_000)), /^\[\d+ bytes before this are left out\]\na line\n/);
  });

  it("has the last words even if there are no line breaks before them", () => {
    for (const last of ["fatal: disk full\n", "fatal: disk full", "fatal: disk full\nand the last line\n"])
      assert.ok(endOf(progress + last).endsWith(`50 %\r${last}`), last);
  });
});

describe("our command plugin, with much output", function () {
  this.timeout(300_000);
  let ssh: SshServer;
  let engineServer: grpc.Server;
  let plugin: ChildProcess;
  let client: providerService.ResourceProviderClient;
  let requests: Buffer[];
  /** Milliseconds that the engine spends on each message. */
  let pace: number;

  before(async () => {
    ssh = await startSshServer();
    // Don't decode messages now: the SSH server runs in this process too, and would be slowed down.
    const log = unary(async (request: Buffer) => {
      requests.push(request);
      await sleep(pace);
      return new empty.Empty();
    });
    const { log: definition } = engineService.EngineService;
    const service = { log: { ...definition, requestDeserialize: (bytes: Buffer) => bytes } };
    const { server, port } = await listen(service, { log });
    engineServer = server;
    plugin = spawn(process.execPath, [pluginMain, `127.0.0.1:${port}`], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(plugin.stdout!, "data")) as [Buffer];
    client = new providerService.ResourceProviderClient(
      `127.0.0.1:${line.toString().trim()}`,
      grpc.credentials.createInsecure(),
      { "grpc.max_receive_message_length": -1 },
    );
  });
  beforeEach(() => {
    [requests, pace] = [[], 1];
  });
  after(async () => {
    client?.close();
    plugin?.kill("SIGTERM");
    engineServer?.forceShutdown();
    await ssh.stop();
  });

  const messages = () => requests.map((bytes) => engine.LogRequest.deserializeBinary(bytes).getMessage());

  /** Creates a Command. @returns its stdout. */
  async function create(command: string): Promise<string> {
    const connection = connectionTo(ssh);
    const request = new provider.CreateRequest();
    request.setUrn("urn:pulumi:stack::project::command:remote:Command::name");
    request.setProperties(wire.Struct.fromJavaScript({ connection, create: command }));
    const response = await new Promise<provider.CreateResponse>((resolve, reject) =>
      client.create(request, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
    return (response.getProperties()!.toJavaScript() as { stdout: string }).stdout;
  }

  const memory = () =>
    Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${plugin.pid}/status`, "utf8"))![1]) / 1024;

  it("passes on all lines in order, many per call", async () => {
    await create(`seq -f 'line %.0f of a module that prints a lot' 370000`);
    const lines = messages().join("\n").split("\n");
    assert.equal(lines.length, 370_000);
    assert.ok(lines.every((line, index) => line === `line ${index + 1} of a module that prints a lot`));
    assert.ok(requests.length < 37_000, `${requests.length} calls`);
  });

  it("slows the command down to the engine's pace, with bounded memory", async () => {
    await create("true");
    const before = memory();
    pace = 10;
    const line = "a line of sixty-four bytes, so that there are 32 megabytes.....";
    const began = Date.now();
    // The command's last line is the time when it had written everything.
    const stdout = await create(`yes '${line}' | head -n 500000; date +%s%3N`);
    const took = Date.now() - began;
    assert.ok(memory() - before < 100, `${memory() - before} MiB`);
    assert.match(stdout, /^\[\d+ bytes before this are left out\]\na line of sixty-four/);
    assert.equal(messages().join("\n").split("\n").length, 500_001);
    const command = Number(stdout.split("\n").at(-1)) - began;
    assert.ok(command > took / 2, `the command was done after ${command} ms of ${took}`);
  });

  it("passes on output without line breaks", async () => {
    await create("yes 'progress' | head -n 100000 | tr '\\n' '\\r'");
    assert.equal(messages().join("").replaceAll("\n", "").length, 900_000);
  });

  it("puts the last lines into the error", async () => {
    await assert.rejects(create("seq 300000; echo 'the last words' >&2; exit 3"), (error: grpc.ServiceError) => {
      assert.match(
        error.details,
        /^Process exited with status 3: running .*\n\[\d+ bytes before this are left out\]\n\d+\n/,
      );
      assert.match(error.details, /\n299999\n300000\nthe last words\n$/);
      return error.details.length < 70_000;
    });
  });

  it("shows a single line at once", async () => {
    const done = create("echo first; sleep 2; echo second");
    while (!messages().includes("first")) await sleep(10);
    assert.ok(!messages().includes("second"));
    await done;
    assert.deepEqual(messages(), ["first", "second"]);
  });

  it("can delete a CopyToRemote resource from an earlier version of ci-images", async () => {
    const request = new provider.DeleteRequest();
    request.setUrn("urn:pulumi:stack::project::command:remote:CopyToRemote::name");
    await new Promise<void>((resolve, reject) =>
      client.delete(request, (error) => (error ? reject(error) : resolve())),
    );
  });
});
