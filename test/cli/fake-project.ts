// A Pulumi project whose CLI is a shell script, to run the real command without an engine.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pulumiVersion } from "../../toolchain/versions.mjs";
import type { Place } from "../engine/verbs.ts";
import { until } from "../test-cloud/until.ts";
import { writeProgram } from "../toolchain/program.ts";

/** A temporary folder with a project, its settings and the CLI; `remove` deletes it. */
export class FakeProject implements Place {
  private constructor(
    readonly directory: string,
    readonly environment: NodeJS.ProcessEnv,
  ) {}

  /**
   * Makes a project with an empty stack, which is selected.
   * @param answers Branches of `case "$1 $2" in`, ahead of the usual answers. `log` appends to the file `calls` in
   *   `$folder`.
   * @param stack The stack's name, as `stack ls` shows it.
   * @param settings The text of its settings file.
   */
  static async make(
    answers: string,
    stack = "local",
    settings = "config:\n  ci-images:cloud: local\n",
  ): Promise<FakeProject> {
    const directory = await mkdtemp(join(tmpdir(), "ci-images-fake-"));
    await writeFile(
      join(directory, "Pulumi.yaml"),
      "name: ci-images\nruntime: nodejs\nplugins:\n  providers:\n    - name: ci-images\n",
    );
    await writeFile(join(directory, `Pulumi.${stack.split("/").at(-1)}.yaml`), settings);
    await writeProgram(
      join(directory, "bin/pulumi"),
      `folder=${directory}
      log() { echo "$@" >>"$folder/calls"; }
      [ "$1" = version ] || log "$@"
      case "$1 $2" in
        "version "*) echo v${pulumiVersion} ;;
        ${answers}
        "stack ls") echo '[{"name":"${stack}","current":true}]' ;;
        "stack export") echo '{"version":3,"deployment":{}}' ;;
      esac`,
    );
    const PATH = [join(directory, "bin"), process.env.PATH].join(delimiter);
    const ours = { PULUMI_BACKEND_URL: undefined, PULUMI_STACK: undefined };
    return new FakeProject(directory, { ...process.env, ...ours, PATH });
  }

  /** The command lines that the CLI got, and what its script logged. */
  async calls(): Promise<string[]> {
    return (await readFile(join(this.directory, "calls"), "utf8")).trimEnd().split("\n");
  }

  /** Waits until the CLI has logged lines like this one. @param count How many. */
  async hears(line: RegExp, count = 1): Promise<void> {
    await until(`the CLI logs ${line}`, 60, async () => {
      const calls = await this.calls().catch(() => []);
      return calls.filter((each) => line.test(each)).length >= count;
    });
  }

  /** The stack's settings file. */
  settings(stack = "local"): Promise<string> {
    return readFile(join(this.directory, `Pulumi.${stack}.yaml`), "utf8");
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}
