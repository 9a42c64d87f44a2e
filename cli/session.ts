// What the verbs of one command line share: the project, the stack, Ctrl-C.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectDirectory as ownProject } from "../toolchain/versions.mjs";
import type { Output } from "./output.ts";
import type { CommandStack, StackChoice } from "./stack.ts";

/** The options that every verb takes. */
export interface CommonOptions extends StackChoice {
  verbose?: boolean;
}

/** One command line. */
export class Session {
  /** Whether Ctrl-C must not end the command: it still has to clean up. */
  mustCleanUp = false;
  /** Whether it cleans up, which can't be interrupted. */
  isCleaningUp = false;
  /** Why the cleanup failed: what is left, and how to remove it. */
  leftover?: Error;
  private readonly interruption = new AbortController();

  /** @param workingDirectory The folder where the search for the project starts. */
  constructor(
    readonly output: Output,
    private readonly workingDirectory = process.cwd(),
  ) {}

  /** Aborted when the user pressed Ctrl-C or closed the terminal. */
  get interrupted(): AbortSignal {
    return this.interruption.signal;
  }

  /** Stops everything cleanly, but never the cleanup. */
  interrupt(): void {
    if (!this.isCleaningUp) this.interruption.abort();
  }

  /**
   * Runs work, and cleans up after it in any case. A failed cleanup is reported at the end of the command, and hides no
   * other error.
   */
  async withCleanup<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
    this.mustCleanUp = true;
    try {
      return await work();
    } finally {
      this.isCleaningUp = true;
      await cleanUp().catch((error: Error) => (this.leftover = error));
      this.mustCleanUp = this.isCleaningUp = false;
    }
  }

  /**
   * The project's folder: the nearest one, from the working directory upwards, whose Pulumi.yaml uses our provider;
   * else the project of this command.
   */
  get projectDirectory(): string {
    for (let folder = this.workingDirectory; ; folder = dirname(folder)) {
      const file = join(folder, "Pulumi.yaml");
      if (existsSync(file) && /^\s*- name: ci-images$/m.test(readFileSync(file, "utf8"))) return folder;
      if (dirname(folder) === folder) return ownProject;
    }
  }

  /** The stack that the options select. Loads Pulumi, which takes a while. */
  async stack(options: StackChoice): Promise<CommandStack> {
    const { CommandStack } = await import("./stack.ts");
    return await CommandStack.open(this.projectDirectory, options, this.output, this.interrupted);
  }
}
