// A throw-away stack on this computer, with helpers that list its machines, its resources and its leftovers.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { listMachines } from "../../components/local/provider/machine/machines.ts";
import { makePlace, TemporaryStack, type Run } from "../../cli/temporary-stack.ts";

/** A resource in the stack's state. */
export interface ResourceRecord {
  urn: string;
  type: string;
  id?: string;
  /** URNs. */
  dependencies?: string[];
  outputs?: Record<string, unknown>;
}

/** Settings for a small disk that is not compressed. Its bake takes a third less processor time. */
export const quickDisk = { size: "768M", formats: ["raw"] };

/** A throw-away stack with helpers for tests. */
export class TestStack extends TemporaryStack {
  /** As `TemporaryStack.create`. */
  static override async create(
    recipe: object,
    settings: Record<string, unknown> = {},
    variables: Record<string, string> = {},
  ): Promise<TestStack> {
    return new TestStack(await makePlace(variables)).begin(recipe, settings);
  }

  /** Runs an `up` that must fail. */
  async failingUp(): Promise<Run> {
    const run = await this.run("up", "--yes", "--skip-preview");
    if (run.exitCode === 0) throw new Error(`pulumi up succeeded and should have failed:\n${run.output}`);
    return run;
  }

  /** Runs an `up` that must be refused: all of `parts` are in its output, and it makes no machine and no resource. */
  async refusedUp(...parts: (string | RegExp)[]): Promise<void> {
    const { output } = await this.failingUp();
    for (const part of parts) {
      assert.ok(typeof part === "string" ? output.includes(part) : part.test(output), `${String(part)} in:\n${output}`);
    }
    assert.doesNotMatch(output, /unhandled exception/);
    assert.doesNotMatch(output, / {4}at .*\.[jt]s:\d+/, "no stack trace");
    assert.deepEqual(await this.machines(), []);
    assert.deepEqual(await this.bakeRecords(), []);
  }

  /**
   * Runs `up`, kills pulumi with SIGKILL on the way, and cancels the operation.
   * @param begins When to kill: as soon as the output matches, or when the callback calls the function that it is
   * given.
   * @returns whether pulumi was killed before it finished.
   */
  async killedAt(begins: RegExp | ((kill: () => void) => void)): Promise<boolean> {
    const running = this.start("up", "--yes", "--skip-preview");
    const kill = () => void running.kill("SIGKILL");
    let output = "";
    if (begins instanceof RegExp) {
      running.all.on("data", (data: Buffer) => {
        output += data.toString();
        if (begins.test(output)) kill();
      });
    } else {
      begins(kill);
    }
    const { signal } = await running;
    await this.succeed("cancel", "--yes");
    return signal === "SIGKILL";
  }

  /** Fails if a preview shows changes. */
  expectNoChanges(): Promise<Run> {
    return this.succeed("preview", "--expect-no-changes", "--diff");
  }

  /** The engine's file with the stack's state. To read it takes less time than a command that prints it. */
  get stateFile(): string {
    return join(this.directory, "backend/.pulumi/stacks/ci-images", `${this.name}.json`);
  }

  async resources(): Promise<ResourceRecord[]> {
    const { checkpoint } = JSON.parse(await readFile(this.stateFile, "utf8")) as {
      checkpoint: { latest?: { resources?: ResourceRecord[] } };
    };
    return checkpoint.latest?.resources ?? [];
  }

  override async outputs(): ReturnType<TemporaryStack["outputs"]> {
    const root = (await this.resources()).find(({ type }) => type === "pulumi:pulumi:Stack");
    return root?.outputs ?? {};
  }

  /** URNs of resources that only serve the bake: none may be left once the builder is dropped. */
  async bakeRecords(): Promise<string[]> {
    const kept = /^(pulumi:|ci-images:index:WorkerImage$|ci-images:local:Image$)/;
    return (await this.resources()).filter(({ type }) => !kept.test(type)).map(({ urn }) => urn);
  }

  /** Names of this stack's machines, running or not. */
  async machines(): Promise<string[]> {
    return (await listMachines({ home: this.images })).map(({ name }) => name);
  }

  /** Folders of finished and unfinished images. */
  async imageFolders(): Promise<string[]> {
    const distributions = await readdir(this.images).catch(() => []);
    const inside = await Promise.all(distributions.map((name) => readdir(join(this.images, name))));
    return inside.flat();
  }

  /** The verification record of the Debian 12 image in the outputs. */
  async proof(): Promise<{ how: string; checks: string[] }> {
    const { path } = (await this.outputs()).images!.local.debian12;
    return JSON.parse(await readFile(join(path, "proof.json"), "utf8")) as { how: string; checks: string[] };
  }

  /** Fails unless all that the stack has is one image, proven by a boot in QEMU. */
  async expectOneVerifiedImage(): Promise<void> {
    assert.deepEqual(await this.machines(), []);
    assert.equal((await this.imageFolders()).length, 1);
    assert.deepEqual(await this.bakeRecords(), []);
    assert.match((await this.proof()).how, /^qemu (kvm|tcg), uefi$/);
  }

  /** What this stack has on this computer: machines, processes, mounts, image folders. */
  async leftovers(): Promise<string[]> {
    return [
      ...(await this.machines()).map((name) => `machine ${name}`),
      ...(await runningNamed(`ci-images-${this.name}`)),
      ...(await this.imageFolders()).map((folder) => `image folder ${folder}`),
    ];
  }
}

/** Processes and mounts whose command line or mount entry contains this text. */
export async function runningNamed(text: string): Promise<string[]> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(text));
  return [...(await processesNaming(text)).map((process) => `process ${process}`), ...mounts];
}

async function processesNaming(text: string): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const commands = await Promise.all(
    ids.map(async (id) => {
      // The process may have ended since the listing.
      const command = await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "");
      return command.includes(text) && !command.includes("pulumi") ? `${id} ${command.replaceAll("\0", " ")}` : "";
    }),
  );
  return commands.filter((command) => command !== "");
}
