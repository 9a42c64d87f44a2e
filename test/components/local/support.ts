// Shared by the tests of the local cloud: machine specs with fresh keys, SSH, and checks for leftovers.
import { execa } from "execa";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import type { Machine, MachineSpec } from "../../../components/local/provider/machine/machines.ts";

/** The repository. */
export const project = new URL("../../..", import.meta.url).pathname;

/** Returns a builder's spec with fresh keys, and the private key for logins. @param lifetime In seconds. */
export function builderSpec(base: string, lifetime = 600): { spec: MachineSpec; privateKey: string } {
  const [host, user] = [makeSshKeyPair(), makeSshKeyPair()];
  const spec: MachineSpec = {
    name: `test-${randomBytes(6).toString("hex")}`,
    labels: { project: "test", role: "builder" },
    deadline: new Date(Date.now() + lifetime * 1000).toISOString(),
    loginUser: "debian",
    authorizedKey: user.publicKey,
    guest: { kind: "container", base, hostPrivateKey: host.privateKey, hostPublicKey: host.publicKey },
  };
  return { spec, privateKey: user.privateKey };
}

/**
 * A command for people that waits until the machine has booted, and prints systemd's state. The bake's own way in is
 * there before the bus, which people need for systemctl.
 */
export const bootedState =
  "until [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done; systemctl is-system-running --wait";

/** Runs a command on a machine and checks its host key. Rejects if the command fails. @returns its output. */
export function ssh({ connection }: Machine, privateKey: string, command: string): Promise<string> {
  const { host, port, user, hostKey } = connection;
  const client = new ssh2.Client();
  return new Promise<string>((resolve, reject) => {
    // A machine that goes down may close the connection without an error.
    client.on("close", () => reject(new Error("the connection was closed")));
    client.on("error", reject).on("ready", () => {
      client.exec(command, (error, channel) => {
        if (error) return reject(error);
        let output = "";
        channel.on("data", (text: Buffer) => (output += text.toString()));
        channel.stderr.on("data", (text: Buffer) => (output += text.toString()));
        channel.on("close", (status: number) =>
          status === 0 ? resolve(output.trim()) : reject(new Error(`exit status ${status}: ${output}`)),
        );
      });
    });
    const hostVerifier = (key: Buffer): boolean => key.toString("base64") === hostKey.split(" ")[1];
    client.connect({ host, port, username: user, privateKey, hostVerifier, readyTimeout: 5000 });
  }).finally(() => client.end());
}

/** Retries `ssh` until it works, for a machine that is rebooting. */
export async function sshWhenBack(machine: Machine, privateKey: string, command: string): Promise<string> {
  for (let patience = 300; ; patience--) {
    try {
      return await ssh(machine, privateKey, command);
    } catch (error) {
      if (patience === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Fails if a process or a mount still uses the folder. */
export async function assertNothingLeft(directory: string): Promise<void> {
  assert.doesNotMatch(await readFile("/proc/self/mountinfo", "utf8"), new RegExp(directory));
  assert.deepEqual(await processesOf(directory), []);
}

/** Command lines of the processes that have a folder as their working directory, or in their arguments. */
export async function processesOf(directory: string): Promise<string[]> {
  const { stdout } = await execa("bash", ["-c", FIND_PROCESSES, "bash", directory]);
  return stdout.split("\n").filter(Boolean);
}

const FIND_PROCESSES = `
for process in /proc/[0-9]*; do
  [ "$process" = "/proc/$$" ] && continue
  line=$(tr '\\0' ' ' < "$process/cmdline") 2>/dev/null || continue
  folder=$(readlink "$process/cwd") 2>/dev/null || continue
  case "$line$folder" in *"$1"*) echo "$process $line" ;; esac
done
true`;

/**
 * Points the local cloud, and processes started from here, to an empty cache.
 * @returns its path, and a function that undoes it.
 */
export async function emptyCache(): Promise<{ path: string; restore: () => Promise<void> }> {
  const before = process.env.CI_IMAGES_CACHE;
  const path = await mkdtemp(join(tmpdir(), "ci-images-test-"));
  process.env.CI_IMAGES_CACHE = path;
  const restore = async (): Promise<void> => {
    if (before === undefined) delete process.env.CI_IMAGES_CACHE;
    else process.env.CI_IMAGES_CACHE = before;
    await rm(path, { recursive: true, force: true });
  };
  return { path, restore };
}

/**
 * Runs JavaScript in another process, with `machines`, `base` and `input` in scope. `say(value)` prints a line of JSON.
 */
export function otherProcess(body: string, input: unknown) {
  const imports = `
    import * as machines from "${project}components/local/provider/machine/machines.ts";
    import * as base from "${project}components/local/provider/base/base.ts";
    const input = ${JSON.stringify(input)};
    const say = (value) => console.log(JSON.stringify(value));`;
  return execa(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", `${imports}\n${body}`], {
    cwd: project,
    reject: false,
  });
}

/** The names of the entries in a folder, sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}
