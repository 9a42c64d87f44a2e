// Several checkouts of this project, each with just the files that its launcher needs, used by an ordinary user.
import { chown, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { execa, type Result } from "execa";
import { projectDirectory, pulumiVersion } from "../../toolchain/versions.mjs";
import { writeProgram } from "./program.ts";

/** A user id that nothing else uses, so that no other process counts against its process limit. */
export const ordinaryUser = 61234;

/**
 * The process limit, which includes Node's dozen threads: enough for nested launchers, too few for an endless loop of
 * them.
 */
const mostProcesses = 100;

/** Time limit of a command, in seconds. */
const longest = 60;

/** A folder with checkouts and PULUMI_HOME, which `remove` deletes. */
export class Checkouts {
  private constructor(
    readonly folder: string,
    /** The checkouts' own folders. */
    readonly directories: readonly string[],
  ) {}

  /**
   * Makes checkouts that are set up, and a fake Pulumi CLI in PULUMI_HOME.
   * @param count The number of checkouts.
   * @param cli The fake CLI's shell script.
   */
  static async make(count: number, cli = `echo "v${pulumiVersion}"`): Promise<Checkouts> {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-checkouts-"));
    const directories = Array.from({ length: count }, (_, index) => join(folder, `checkout-${index}`));
    for (const directory of directories) {
      await mkdir(join(directory, "node_modules/.bin"), { recursive: true });
      for (const name of ["toolchain", "scripts"])
        await cp(join(projectDirectory, name), join(directory, name), { recursive: true, verbatimSymlinks: true });
      for (const name of ["package.json", "package-lock.json", "Pulumi.yaml"])
        await cp(join(projectDirectory, name), join(directory, name));
      await symlink("../../toolchain/launcher/bin/pulumi", join(directory, "node_modules/.bin/pulumi"));
      await mkdir(join(directory, ".state"), { mode: 0o700 });
      await writeFile(join(directory, ".state/passphrase"), "secret\n", { mode: 0o600 });
    }
    const checkouts = new Checkouts(folder, directories);
    await writeProgram(checkouts.cli, cli);
    await checkouts.give(ordinaryUser);
    return checkouts;
  }

  /** The CLI in PULUMI_HOME. */
  get cli(): string {
    return join(this.folder, "pulumi", "versions", pulumiVersion, "bin", "pulumi");
  }

  /** The checkouts' node_modules/.bin folders, in order. */
  get commands(): string[] {
    return this.directories.map((directory) => join(directory, "node_modules/.bin"));
  }

  /** Changes the owner of everything. */
  async give(user: number): Promise<void> {
    await chown(this.folder, user, user);
    for (const entry of await readdir(this.folder, { recursive: true, withFileTypes: true }))
      if (!entry.isSymbolicLink()) await chown(join(entry.parentPath, entry.name), user, user);
  }

  /**
   * Runs a command as the ordinary user, with the process limit.
   * @param path Folders on PATH before those of Node and the system.
   */
  async run(command: string[], path: string[], extra: NodeJS.ProcessEnv = {}): Promise<Result> {
    const identity = [`--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, "--clear-groups"];
    const limited = ["prlimit", `--nproc=${mostProcesses}`, ...command];
    return await execa("setpriv", [...identity, ...limited], {
      cwd: this.folder,
      reject: false,
      extendEnv: false,
      timeout: longest * 1000,
      env: {
        PATH: [...path, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
        HOME: this.folder,
        PULUMI_HOME: join(this.folder, "pulumi"),
        ...extra,
      },
    });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
