// A machine on gce is ready when it answers SSH with the host key that it was given.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { gceReachable } from "../../../components/gce/provider/resources/reachable.ts";
import { create, makeMachine, watching, withGce } from "./support.ts";

const key = () => makeSshKeyPair();
const login = key();

/** An SSH server with a host key, which accepts every login. */
async function listen(hostKey: string, wanted = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (attempt) => attempt.accept());
    client.on("session", (accept) =>
      accept().on("exec", (accept) => {
        const channel = accept();
        channel.exit(0);
        channel.end();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(wanted, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe("a machine's first answer on gce", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-arrival-"));
  });
  after(() => rm(folder, { recursive: true }));

  const inputsOf = (instance: string, hostKey: string, port: number) => ({
    project: "bakery",
    zone: "here-a",
    machine: "worker",
    instance,
    host: "127.0.0.1",
    port,
    user: "debian",
    hostKey,
    privateKey: login.privateKey,
    patience: 1,
    awake: true,
  });
  const arrival = (...inputs: Parameters<typeof inputsOf>) => create(gceReachable, inputsOf(...inputs));

  it("counts only with the machine's own host key", () =>
    withGce(async (api) => {
      const [own, other] = [key(), key()];
      const instance = await makeMachine(api, "worker");
      const early = await listen(other.privateKey);
      const arriving = arrival(instance, own.publicKey, early.port);
      await sleep(100);
      await early.close();
      const late = await listen(own.privateKey, early.port);
      await arriving;
      await late.close();
    }));

  it("comes from its new address after somebody has stopped and started it", () =>
    withGce(async (api) => {
      const own = key();
      const instance = await makeMachine(api, "worker");
      const machine = api.project("bakery").instances.get("here-a/worker")!;
      machine.networkInterfaces = [{ networkIP: "10.0.0.7", accessConfigs: [{ natIP: "127.0.0.1" }] }];
      const server = await listen(own.privateKey);
      try {
        const inputs = { ...inputsOf(instance, own.publicKey, server.port), address: "public" as const };
        const before = { ...inputs, host: "203.0.113.1", sshPort: server.port, sshUser: "debian" };
        assert.equal(await gceReachable.drift!(instance, before, before), "update");
        const after = await gceReachable.update!(instance, before, before, watching());
        assert.equal(after.currentHost, "127.0.0.1");
        assert.equal(await gceReachable.drift!(instance, after, before), "none");
        const forwarded = { ...before, address: undefined };
        assert.equal(await gceReachable.drift!(instance, forwarded, forwarded), "none", "a port forward stays");
      } finally {
        await server.close();
      }
    }));

  it("that never comes is an error that says where the machine's console is saved", () =>
    withGce(async (api) => {
      process.env.CI_IMAGES_CACHE = folder;
      api.hypervisor.console = async () => "booting\r\nkernel panic\r\n";
      const instance = await makeMachine(api, "worker");
      const { port, close } = await listen(key().privateKey);
      await close();
      const file = join(folder, "consoles", "worker.log");
      await assert.rejects(
        arrival(instance, key().publicKey, port),
        (error: Error) =>
          /machine worker \(127\.0\.0\.1:\d+\), waited \d+ s for it to answer by SSH.*is still running/.test(
            error.message,
          ) && error.message.includes(`its console (2 lines; the last one: "kernel panic") was saved in ${file}`),
      );
      assert.match(await readFile(file, "utf8"), /kernel panic/);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    }));

  it("is awaited for as long as CI_IMAGES_BOOT_SECONDS says", () =>
    withGce(async (api) => {
      Object.assign(process.env, { CI_IMAGES_CACHE: folder, CI_IMAGES_BOOT_SECONDS: "1" });
      api.hypervisor.console = async () => "";
      const instance = await makeMachine(api, "worker");
      const { port, close } = await listen(key().privateKey);
      await close();
      const inputs = { ...inputsOf(instance, key().publicKey, port), patience: 60 };
      await assert.rejects(create(gceReachable, inputs), /to answer by SSH .*at most 1 s/);
    }));

  it("that never comes is the error, even if its console can't be saved", () =>
    withGce(async (api) => {
      process.env.CI_IMAGES_CACHE = join(folder, "file");
      await writeFile(process.env.CI_IMAGES_CACHE, "not a folder");
      api.hypervisor.console = async () => "kernel panic\r\n";
      const instance = await makeMachine(api, "worker");
      const { port, close } = await listen(key().privateKey);
      await close();
      const reason = /for it to answer by SSH.*is still running.*its console could not be saved: .*(EEXIST|ENOTDIR)/;
      await assert.rejects(arrival(instance, key().publicKey, port), reason);
    }));

  it("is no longer awaited if the machine is gone", () =>
    withGce(async (api) => {
      const instance = await makeMachine(api, "worker");
      api.project("bakery").instances.clear();
      const started = Date.now();
      await assert.rejects(arrival(instance, key().publicKey, 1), /the machine is gone.*spot/);
      assert.ok(Date.now() - started < 900);
    }));
});
