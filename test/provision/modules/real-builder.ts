// A real builder for tests of modules and sealing: Debian in a container, provisioned over SSH with a bake's own
// commands.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { execa, type Result } from "execa";
import {
  createMachine,
  findMachine,
  removeMachine,
  stopMachine,
  type Machine,
} from "../../../components/local/provider/machine/machines.ts";
import { send } from "../../../provider/resources/upload.ts";
import { settleCommand, testsCommand } from "../../../provision/builder/commands.ts";
import { findDistribution } from "../../../provision/distributions.ts";
import { ModuleCatalogue, libraryFolder } from "../../../provision/recipe/load-modules.ts";
import type { BuildConfiguration } from "../../../provision/module.ts";
import { RecordingRoot, type Check } from "../../../provision/plan/root.ts";
import { renderProgram, runAsRoot } from "../../../provision/builder/runner.ts";

/** The result of a command on the builder; `all` is standard output and error together. */
export type Outcome = Result<{ all: true; reject: false }>;

/** Returns a function that lets a module record its steps and checks on a distribution. */
export function recorder(id: string) {
  const distribution = findDistribution(id);
  return async (module: string, settings?: unknown, folder = "."): Promise<RecordingRoot> => {
    const file = await new ModuleCatalogue([libraryFolder]).load(module);
    const root = new RecordingRoot({ module, distribution, folder, requireSecret: () => {} });
    const cfg: BuildConfiguration = settings === undefined ? {} : { [file.settingsKey ?? module]: settings };
    await file.modify(module, root, cfg);
    return root;
  };
}

/** Records a module on Debian 12. */
export const record = recorder("debian12");

export class RealBuilder {
  private constructor(
    readonly name: string,
    /** The bake's public key, one authorized_keys line. */
    readonly bakeKey: string,
    private readonly folder: string,
    private machine: Machine,
  ) {}

  /** Starts a builder. @param base The folder of the base's root file system. */
  static async create(base: string): Promise<RealBuilder> {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-builder-"));
    const name = `test-${randomBytes(6).toString("hex")}`;
    const [hostKey, bakeKey] = await Promise.all([makeKey(folder, "host"), makeKey(folder, "bake")]);
    const machine = await createMachine(
      {
        name,
        labels: { test: name },
        deadline: new Date(Date.now() + 30 * 60_000).toISOString(),
        loginUser: findDistribution("debian12").loginUser,
        authorizedKey: bakeKey.publicKey,
        guest: { kind: "container", base, hostPrivateKey: hostKey.privateKey, hostPublicKey: hostKey.publicKey },
      },
      () => {},
    );
    const { host, hostKey: pinned } = machine.connection;
    await writeFile(join(folder, "known_hosts"), `${host} ${pinned}\n[${host}]:${machine.connection.port} ${pinned}\n`);
    const builder = new RealBuilder(name, bakeKey.publicKey, folder, machine);
    await builder.settle();
    return builder;
  }

  /** Runs the bake's step before the first module. */
  async settle(): Promise<void> {
    const { create, stdin } = settleCommand(false);
    must(await this.ssh(create, stdin));
  }

  /** Runs a command as the login user with this standard input. Does not throw if the command fails. */
  async ssh(command: string, input: string | Uint8Array = ""): Promise<Outcome> {
    const { host, port, user } = this.machine.connection;
    const options = [
      "-i",
      join(this.folder, "bake"),
      "-p",
      String(port),
      "-o",
      "IdentitiesOnly=yes",
      "-o",
      "BatchMode=yes",
    ];
    const pinned = ["-o", `UserKnownHostsFile=${join(this.folder, "known_hosts")}`, "-o", "StrictHostKeyChecking=yes"];
    return await execa("ssh", ["-F", "none", ...options, ...pinned, `${user}@${host}`, command], {
      input,
      all: true,
      reject: false,
    });
  }

  /** Runs a script as root, like a bake. */
  async asRoot(script: string): Promise<Outcome> {
    const program = { title: "the test", timeoutSeconds: 600, timeoutCure: "", failureCure: "" };
    return await this.ssh(runAsRoot, renderProgram({ ...program, script }));
  }

  /** Sends a module's uploads and runs its steps. @throws Error with the output if a step fails. */
  async apply(root: RecordingRoot): Promise<void> {
    const privateKey = await readFile(join(this.folder, "bake"), "utf8");
    const connection = { ...this.machine.connection, privateKey, dialErrorLimit: 0, perDialTimeout: 15 };
    for (const { source, destination, digest: sha256 } of root.uploads) {
      const context = { progress: () => {}, signal: new AbortController().signal };
      await send({ connection, source, destination, sha256, triggers: [] }, context);
    }
    await this.repeat(root);
  }

  /** Runs a module's steps, without uploads: as after a lost connection. @throws Error with the output if one fails. */
  async repeat(root: RecordingRoot): Promise<void> {
    for (const step of root.steps) {
      if (step.kind === "reboot") throw new Error("this test does not reboot");
      must(await this.asRoot(step.script));
    }
  }

  /** Runs acceptance tests. @returns their lines: `ok - MODULE: WHAT` and `not ok - ...`. */
  async test(checks: readonly Check[]): Promise<string[]> {
    const { create, stdin } = testsCommand(checks);
    const { all } = await this.ssh(create, stdin);
    return all.split("\n").filter((line) => /^(not )?ok - /.test(line));
  }

  /** Fails unless all checks pass (`ok`), or none does (`not ok`). */
  async expectAll(verdict: "ok" | "not ok", checks: readonly Check[]): Promise<void> {
    const lines = await this.test(checks);
    assert.deepEqual(
      lines.filter((line) => !line.startsWith(`${verdict} - `)),
      [],
    );
    assert.equal(lines.length, checks.length);
  }

  /** Powers the builder off, like a bake after sealing. */
  async stop(): Promise<void> {
    await stopMachine(this.name);
  }

  /** Whether it still runs. */
  async isRunning(): Promise<boolean> {
    return (await findMachine(this.name))?.state === "running";
  }

  /** Deletes the builder and its files. */
  async remove(): Promise<void> {
    await removeMachine(this.name);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Returns the command's standard output. @throws Error with all output if the command failed. */
export function must(outcome: Outcome): string {
  if (outcome.exitCode !== 0) throw new Error(`exit status ${outcome.exitCode}:\n${outcome.all}`);
  return outcome.stdout;
}

async function makeKey(folder: string, name: string): Promise<{ privateKey: string; publicKey: string }> {
  const path = join(folder, name);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", `${name} of a test`, "-f", path]);
  const [{ stdout: privateKey }, { stdout: publicKey }] = await Promise.all([
    execa("cat", [path]),
    execa("cat", [`${path}.pub`]),
  ]);
  return { privateKey: `${privateKey}\n`, publicKey };
}
