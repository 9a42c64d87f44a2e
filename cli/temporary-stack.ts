// A temporary stack: runs the project's real program on the real engine, with backend, recipe and images in a temporary
// folder. Used by the verb `build`, the life cycle's tests and the benchmark.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa, type Result } from "execa";
import { dump, load } from "js-yaml";
import { UserError } from "../common/user-error.ts";
import { fileBackend, quoteForShell, toolchainEnvironment } from "../toolchain/environment.mjs";
import { projectDirectory } from "../toolchain/versions.mjs";

/** The result of a finished `pulumi` command. */
export interface Run {
  /** Combined standard output and error. */
  output: string;
  exitCode: number;
  /** Seconds. */
  took: number;
}

/** The file with a stack's settings. `stack init` writes it if it needs a salt for the passphrase. */
interface SettingsFile {
  encryptionsalt?: string;
  config?: Record<string, unknown>;
}

const secretsKey = "ci-images:secrets";

/** The folder of a stack and the environment of its `pulumi` commands. */
export interface Place {
  /** The folder: a separate Pulumi project. */
  directory: string;
  /** The stack's name. */
  name: string;
  environment: NodeJS.ProcessEnv;
  cli: string;
}

/**
 * Makes an empty folder for a stack.
 * @param variables Override this process's environment, e.g. CI_IMAGES_CACHE.
 * @param stack The stack's name; by default, a new one.
 * @throws ToolProblem if there is no Pulumi CLI, with the command that installs it.
 */
export async function makePlace(variables: Record<string, string> = {}, stack?: string): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "ci-images-test-"));
  const name = stack ?? directory.split("-").at(-1)!.toLowerCase();
  await mkdir(join(directory, "backend"));
  const { cli, env: environment } = toolchainEnvironment(projectDirectory, {
    ...process.env,
    // Layers of earlier runs would change which modules run.
    CI_IMAGES_LAYERS: "0",
    ...variables,
    PULUMI_BACKEND_URL: fileBackend(join(directory, "backend")),
    PULUMI_CONFIG_PASSPHRASE: "test",
  });
  return { directory, name, environment, cli };
}

/** A stack that shares only the cache of base images with others. */
export class TemporaryStack {
  readonly directory: string;
  readonly name: string;

  /** @param isDetached Whether commands get their own process group, which Ctrl-C at the terminal does not reach. */
  constructor(
    private readonly place: Place,
    private readonly isDetached = false,
  ) {
    this.directory = place.directory;
    this.name = place.name;
  }

  /**
   * Creates a stack without running anything on it. Call `remove` at the end.
   * @param recipe The recipe's content.
   * @param settings Stack settings without the prefix `ci-images:`. By default images are not verified.
   * @param variables As for {@link makePlace}.
   * @param isDetached As for the constructor.
   */
  static async create(
    recipe: object,
    settings: Record<string, unknown> = {},
    variables: Record<string, string> = {},
    isDetached = false,
  ): Promise<TemporaryStack> {
    return new TemporaryStack(await makePlace(variables), isDetached).begin(recipe, settings);
  }

  /** Creates project, recipe, stack and settings in the empty folder. If that fails, removes the folder. */
  protected async begin(recipe: object, settings: Record<string, unknown>): Promise<this> {
    try {
      await this.makeProject();
      await this.recipe(recipe);
      await this.succeed("stack", "init", this.name);
      await this.settings(settings);
    } catch (error) {
      await rm(this.directory, { recursive: true, force: true });
      throw error;
    }
    return this;
  }

  /**
   * Makes a Pulumi project with links to the real program. The real project can't be used: the CLI writes stack files
   * next to its Pulumi.yaml.
   */
  private async makeProject(): Promise<void> {
    const project = await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8");
    const provider = join(projectDirectory, "provider");
    const moved = project.replace("path: ./provider", () => `path: ${JSON.stringify(provider)}`);
    await writeFile(join(this.directory, "Pulumi.yaml"), moved);
    for (const name of ["index.ts", "package.json", "node_modules", "toolchain"]) {
      await symlink(join(projectDirectory, name), join(this.directory, name));
    }
  }

  /** Writes the recipe, or another file next to it. A string is written unchanged. */
  async recipe(content: object | string, file = "recipe.yaml"): Promise<void> {
    await writeFile(join(this.directory, file), typeof content === "string" ? content : dump(content));
  }

  /** Writes the stack's settings. Its secrets stay: `pulumi config set` has encrypted them. */
  async settings(settings: Record<string, unknown>): Promise<void> {
    const all = {
      ...(settings.recipes === undefined && { recipe: join(this.directory, "recipe.yaml") }),
      imageDirectory: this.images,
      verify: false,
      ...settings,
    };
    const before = existsSync(this.settingsFile)
      ? (load(await readFile(this.settingsFile, "utf8")) as SettingsFile)
      : undefined;
    const secrets = before?.config?.[secretsKey];
    const config = {
      ...Object.fromEntries(Object.entries(all).map(([key, value]) => [`ci-images:${key}`, value])),
      ...(secrets !== undefined && { [secretsKey]: secrets }),
    };
    await writeFile(this.settingsFile, dump({ ...before, config }));
  }

  /** The environment of `pulumi` commands. */
  get environment(): NodeJS.ProcessEnv {
    return this.place.environment;
  }

  /** The folder of the images. */
  get images(): string {
    return join(this.directory, "images");
  }

  private get settingsFile(): string {
    return join(this.directory, `Pulumi.${this.name}.yaml`);
  }

  /** Starts a `pulumi` command on the stack; it may fail. */
  start(...words: string[]) {
    const isInit = words[0] === "stack" && words[1] === "init";
    return execa(this.place.cli, [...words, ...(isInit ? [] : ["--stack", this.name]), "--non-interactive"], {
      cwd: this.directory,
      env: this.place.environment,
      extendEnv: false,
      reject: false,
      all: true,
      detached: this.isDetached,
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

  /** The stack's outputs; none before the first proven image. */
  async outputs(): Promise<{ images?: { local: Record<string, Record<string, string>> } }> {
    return JSON.parse((await this.succeed("stack", "output", "--json")).output) as never;
  }

  /**
   * Destroys everything and removes the folder.
   * @param others Other folders to remove then, such as that of the images.
   * @throws UserError if that fails, with the command to repeat. The folders stay, because they have the only state.
   */
  async remove(...others: string[]): Promise<void> {
    const folders = [this.directory, ...others];
    await this.run("cancel", "--yes");
    const { exitCode, output } = await this.run("destroy", "--yes", "--skip-preview");
    if (exitCode !== 0) {
      const { PULUMI_BACKEND_URL: backend = "", PULUMI_CONFIG_PASSPHRASE: passphrase = "" } = this.environment;
      const variables = `PULUMI_BACKEND_URL=${quoteForShell(backend)} PULUMI_CONFIG_PASSPHRASE=${quoteForShell(passphrase)}`;
      throw new UserError({
        where: this.directory,
        found: `this temporary stack could not be destroyed, and its builder may still run:\n${output.trim()}\n`,
        cure:
          `cd ${quoteForShell(this.directory)} && ${variables} npx pulumi destroy --yes --stack ${this.name} && ` +
          `rm -r ${folders.map(quoteForShell).join(" ")}`,
      });
    }
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
}
