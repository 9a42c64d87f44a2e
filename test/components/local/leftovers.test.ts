// The provider's process must start even if this computer has leftover machines that can't be removed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { execa } from "execa";
import { removeTree } from "../../../components/local/provider/remove-tree.ts";
import { projectDirectory } from "../../../toolchain/versions.mjs";

interface Logged {
  severity: engine.LogSeverity;
  message: string;
}

/** A fake engine that only records log lines. */
async function startEngine(logged: Logged[]): Promise<{ address: string; stop: () => void }> {
  const server = new grpc.Server();
  server.addService(engineService.EngineService, {
    log(call: grpc.ServerUnaryCall<engine.LogRequest, empty.Empty>, answer: grpc.sendUnaryData<empty.Empty>) {
      logged.push({ severity: call.request.getSeverity(), message: call.request.getMessage() });
      answer(null, new empty.Empty());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

describe("the provider's process on a computer with leftovers", function () {
  this.timeout(60_000);
  let cache: string;
  let stop: () => void;
  const logged: Logged[] = [];
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), "ci-images-leftovers-"));
    logged.length = 0;
  });
  afterEach(async () => {
    stop();
    await removeTree(cache);
  });

  /** Starts the provider and kills it as soon as it serves. */
  async function startProvider(): Promise<void> {
    const running = await startEngine(logged);
    stop = running.stop;
    const provider = execa(join(projectDirectory, "provider/pulumi-resource-ci-images"), [running.address], {
      env: { CI_IMAGES_CACHE: cache },
      reject: false,
    });
    const first = await Promise.race([
      once(provider.stdout, "data").then(String),
      provider.then(({ stderr }) => stderr),
    ]);
    provider.kill("SIGKILL");
    await provider;
    assert.match(first, /^\d+\s*$/);
  }

  it("serves, and warns about the folder that can't be removed", async () => {
    const machines = join(cache, "machines");
    await mkdir(join(machines, "left-over"), { recursive: true });
    await execa("chattr", ["+i", machines]);
    try {
      await startProvider();
    } finally {
      await execa("chattr", ["-i", machines]);
    }
    assert.equal(logged.length, 1, JSON.stringify(logged));
    assert.equal(logged[0].severity, engine.LogSeverity.WARNING);
    assert.match(
      logged[0].message,
      /could not remove the leftover machine left-over \(it was never finished\): .*machines\/left-over/,
    );
  });

  it("serves even if the folder of machines can't be read", async () => {
    await execa("touch", [join(cache, "machines")]);
    await startProvider();
    assert.match(logged[0].message, /^could not look for machines left over on this computer: .*machines/);
  });
});
