// A stack of its own for a test: the project's real program on the real engine, with a backend, images and recipes in a
// temporary folder, and what must be gone when the test is over.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa, type Result } from "execa";
import { dump } from "js-yaml";
import { listMachines } from "../../provider/local/machines.ts";
import { toolchainEnvironment } from "../../tools/environment.mjs";

export const projectDirectory = fileURLToPath(new URL("../../", import.meta.url));

/** A finished `pulumi` command. */
export interface Run {
  /** Standard output and error together, as a person would see it. */
  output: string;
  exitCode: number;
  /** Seconds. */
  took: number;
}

/** A resource in the state, as `pulumi stack export` has it. */
export interface ResourceRecord {
  urn: string;
  type: string;
  id?: string;
  outputs?: Record<string, unknown>;
}

export class TestStack {
  private constructor(
    readonly directory: string,
    readonly name: string,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly cli: string,
  ) {}

  /**
   * Makes the stack.
   * @param recipe The recipe's content.
   * @param settings Stack settings without the `ci-images:` prefix.
   */
  static async create(recipe: object, settings: Record<string, unknown> = {}): Promise<TestStack> {
    const directory = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    const name = directory.split("-").at(-1)!.toLowerCase();
    await mkdir(join(directory, "backend"));
    const { cli, env } = toolchainEnvironment(projectDirectory, {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${join(directory, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
    });
    const stack = new TestStack(directory, name, env, cli);
    await stack.makeProject();
    await stack.recipe(recipe);
    await stack.succeed("stack", "init", name);
    await stack.settings(settings);
    return stack;
  }

  /** A Pulumi project around the real program: the CLI writes stack files beside Pulumi.yaml, and the real one's is not for tests. */
  private async makeProject(): Promise<void> {
    const project = await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8");
    const provider = join(projectDirectory, "provider");
    await writeFile(join(this.directory, "Pulumi.yaml"), project.replace("path: ./provider", `path: ${provider}`));
    for (const name of ["index.ts", "package.json", "node_modules"]) {
      await symlink(join(projectDirectory, name), join(this.directory, name));
    }
  }

  /** Writes the recipe anew. A string is written as it is. */
  async recipe(content: object | string): Promise<void> {
    await writeFile(join(this.directory, "recipe.yaml"), typeof content === "string" ? content : dump(content));
  }

  /** Writes the stack's settings anew. */
  async settings(settings: Record<string, unknown>): Promise<void> {
    const all = {
      recipe: join(this.directory, "recipe.yaml"),
      imageDirectory: this.images,
      verify: false,
      ...settings,
    };
    // The salt belongs to the passphrase and is written by `stack init`.
    const before = await readFile(this.settingsFile, "utf8").catch(() => "");
    const salt = /^encryptionsalt:.*$/m.exec(before)?.[0] ?? "";
    const config = Object.fromEntries(Object.entries(all).map(([key, value]) => [`ci-images:${key}`, value]));
    await writeFile(this.settingsFile, `${salt}\n${dump({ config })}`);
  }

  /** Where the images are. */
  get images(): string {
    return join(this.directory, "images");
  }

  private get settingsFile(): string {
    return join(this.directory, `Pulumi.${this.name}.yaml`);
  }

  /** Starts a `pulumi` command on the stack; it may fail. */
  start(...words: string[]) {
    const isInit = words[0] === "stack" && words[1] === "init";
    return execa(this.cli, [...words, ...(isInit ? [] : ["--stack", this.name]), "--non-interactive"], {
      cwd: this.directory,
      env: this.environment,
      extendEnv: false,
      reject: false,
      all: true,
      detached: false,
    });
  }

  /** Runs a `pulumi` command on the stack; it may fail. */
  async run(...words: string[]): Promise<Run> {
    const started = Date.now();
    const result: Result<{ all: true; reject: false }> = await this.start(...words);
    return { output: result.all, exitCode: result.exitCode ?? -1, took: (Date.now() - started) / 1000 };
  }

  /** Runs a `pulumi` command that must succeed. */
  async succeed(...words: string[]): Promise<Run> {
    const run = await this.run(...words);
    if (run.exitCode !== 0) throw new Error(`pulumi ${words.join(" ")} failed (${run.exitCode}):\n${run.output}`);
    return run;
  }

  up(): Promise<Run> {
    return this.succeed("up", "--yes", "--skip-preview");
  }

  /** An `up` that must fail. */
  async failingUp(): Promise<Run> {
    const run = await this.run("up", "--yes", "--skip-preview");
    if (run.exitCode === 0) throw new Error(`pulumi up succeeded and should have failed:\n${run.output}`);
    return run;
  }

  /** Fails when a preview would change anything. */
  expectNoChanges(): Promise<Run> {
    return this.succeed("preview", "--expect-no-changes", "--diff");
  }

  async outputs(): Promise<{ images?: { local: Record<string, Record<string, string>> } }> {
    return JSON.parse((await this.succeed("stack", "output", "--json")).output) as never;
  }

  async resources(): Promise<ResourceRecord[]> {
    const state = JSON.parse((await this.succeed("stack", "export")).output) as {
      deployment: { resources?: ResourceRecord[] };
    };
    return state.deployment.resources ?? [];
  }

  /** The records that have to do with making an image: none may be left when the builder was dropped. */
  async bakeRecords(): Promise<string[]> {
    const kept = /^(pulumi:|ci-images:index:WorkerImage$|ci-images:local:Image$)/;
    return (await this.resources()).filter(({ type }) => !kept.test(type)).map(({ urn }) => urn);
  }

  /** Names of this stack's machines, whatever their state. */
  async machines(): Promise<string[]> {
    return (await listMachines({ home: this.images })).map(({ name }) => name);
  }

  /** Folders of images, finished or not. */
  async imageFolders(): Promise<string[]> {
    const distributions = await readdir(this.images).catch(() => []);
    const inside = await Promise.all(distributions.map((name) => readdir(join(this.images, name))));
    return inside.flat();
  }

  /** What of this stack is on the machine: machines, processes, mounts, image folders. */
  async leftovers(): Promise<string[]> {
    const label = `ci-images-${this.name}`;
    return [
      ...(await this.machines()).map((name) => `machine ${name}`),
      ...(await processesNaming(label)).map((process) => `process ${process}`),
      ...(await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(label)),
      ...(await this.imageFolders()).map((folder) => `image folder ${folder}`),
    ];
  }

  /** Destroys everything and removes the folder. */
  async remove(): Promise<void> {
    await this.run("cancel", "--yes");
    await this.succeed("destroy", "--yes", "--skip-preview");
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function processesNaming(text: string): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const commands = await Promise.all(
    ids.map(async (id) => {
      // A process may end between the listing and the look.
      const command = await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "");
      return command.includes(text) && !command.includes("pulumi") ? `${id} ${command.replaceAll("\0", " ")}` : "";
    }),
  );
  return commands.filter((command) => command !== "");
}
