// Tests a stack's life cycle in an account. Prints one line per step and a verdict, and leaves nothing behind.
import { rm } from "node:fs/promises";
import { makePlace, TemporaryStack, type Run } from "../../cli/temporary-stack.ts";
import type { AccountTest } from "./accounts.ts";
import { findLeftovers } from "./leftovers.ts";

/** Every machine ends itself after this time. */
const maxLifetime = "1 hour";

/** A step failed or was interrupted. */
class Failed extends Error {}

/**
 * Bakes, checks for changes, edits the recipe, destroys, and checks for leftovers. Always destroys, even after a
 * failure or Ctrl-C.
 * @param settings The stack's settings: the cloud's own, `sshFrom` and `bastion`.
 * @returns the exit status: 0 if every step passed and nothing is left, 130 after an interruption.
 */
export async function testAccount(
  account: AccountTest,
  settings: Record<string, unknown>,
  distribution: string,
): Promise<number> {
  const { cloud } = account;
  // Otherwise the terminal's Ctrl-C would reach the commands directly and end them during cleanup.
  const isDetached = true;
  const stack = new AccountStack(await makePlace(), isDetached);
  const tags = { purpose: "ci-images-test-account" };
  const all = { ...settings, cloud, maxLifetime, tags, keep: 0, verify: true };
  const own = settings[cloud] as Record<string, unknown>;
  const look = (remove = false) =>
    findLeftovers(account, own, { project: "ci-images", stack: stack.name, distribution }, remove);
  const interrupt = () => stack.interrupt();
  for (const signal of signals) process.on(signal, interrupt);
  // Lines that nobody can read any more must not end us before the cleanup.
  const lost = () => (stack.isInterrupted || stack.isCleaningUp ? undefined : stack.interrupt());
  for (const stream of [process.stdout, process.stderr]) stream.on("error", lost);
  let verdict = "";
  try {
    await stack.begin(recipe(distribution, "one"), all);
    console.log(`stack ${stack.name}, in ${stack.directory}`);
    const first = await stack.step("bakes and verifies an image", async () => {
      await stack.up();
      return stack.image();
    });
    await stack.step("drops the builder's records", () => stack.up());
    await stack.step("changes nothing", () => stack.expectNoChanges());
    await stack.step("changes nothing after a refresh", async () => {
      await stack.succeed("refresh", "--yes", "--skip-preview");
      await stack.expectNoChanges();
    });
    await stack.step("bakes another image of an edited recipe", async () => {
      await stack.recipe(recipe(distribution, "two"));
      await stack.up();
      if ((await stack.image()) === first) throw new Failed("the outputs still name the first image");
    });
    await stack.step("drops the builder's records, and the first image", () => stack.up());
  } catch (error) {
    verdict = (error as Error).message;
  }
  // The cleanup can't be interrupted.
  stack.isCleaningUp = true;
  const left = await cleanUp(stack, look);
  for (const signal of signals) process.off(signal, interrupt);
  if (left.length > 0) verdict ||= "not everything could be removed";
  for (const line of left) console.log(`left over: ${line}`);
  if (left.length === 0) {
    await rm(stack.directory, { recursive: true, force: true });
  } else {
    const variables = "PULUMI_BACKEND_URL and PULUMI_CONFIG_PASSPHRASE=test";
    console.log(`The state is kept in ${stack.directory}: set ${variables} and run pulumi destroy there.`);
  }
  console.log(verdict === "" ? `\n${cloud}: passed, and nothing is left over` : `\n${cloud}: FAILED: ${verdict}`);
  return verdict === "" ? 0 : stack.isInterrupted ? 130 : 1;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Destroys the stack, with up to three attempts, and then removes everything with its labels.
 * @returns what is left. A state that can't be destroyed is a fault even if the sweep has removed everything in it.
 */
export async function cleanUp(
  stack: Pick<AccountStack, "run" | "step">,
  look: (remove?: boolean) => Promise<string[]>,
): Promise<string[]> {
  await stack.run("cancel", "--yes");
  const destroy = async () => {
    const { exitCode, output } = await stack.run("destroy", "--yes", "--skip-preview");
    if (exitCode !== 0) throw new Failed(`pulumi destroy failed:\n${output}`);
  };
  const problems: string[] = [];
  for (let attempt = 1; attempt <= 3; attempt++) {
    try {
      await stack.step("destroys everything", destroy);
      break;
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  const destroyed = problems.length < 3;
  if (!destroyed) console.log(problems.at(-1));
  const state = destroyed ? [] : ["the state, which could not be destroyed"];
  try {
    return await stack.step("a sweep finds nothing", async () => {
      const found = await look();
      if (found.length === 0) return state;
      for (const line of found) console.log(`  found ${line}; removing it`);
      await look(true);
      const left = await look();
      // This is a fault even if the sweep could remove it.
      if (destroyed)
        throw new Failed(`pulumi destroy left ${found.join(", ")}${left.length > 0 ? "" : " (now removed)"}`);
      return [...left, ...state];
    });
  } catch (error) {
    return [(error as Error).message, ...state];
  }
}

function recipe(distribution: string, content: string): object {
  return {
    name: "account-test",
    distribution,
    modules: ["files"],
    files: [{ path: "/etc/ci-images-account-test", content: `${content}\n` }],
    tests: [{ name: "the file is there", run: `grep -qx ${content} /etc/ci-images-account-test` }],
  };
}

/** A stack whose commands are interrupted cleanly: only once, and never during cleanup. */
class AccountStack extends TemporaryStack {
  isInterrupted = false;
  isCleaningUp = false;
  private running?: ReturnType<TemporaryStack["start"]>;

  override begin(recipe: object, settings: Record<string, unknown>): Promise<this> {
    return super.begin(recipe, settings);
  }

  /** Handles Ctrl-C: the engine finishes its current operations. A second Ctrl-C has no effect. */
  interrupt(): void {
    console.log(
      this.isCleaningUp || this.isInterrupted ? "still cleaning up: please wait" : "interrupted: cleaning up",
    );
    if (this.isCleaningUp || this.isInterrupted) return;
    this.isInterrupted = true;
    this.running?.kill("SIGINT");
  }

  /** Starts a command, and keeps it so that it can be interrupted. */
  override start(...words: string[]) {
    const running = super.start(...words);
    this.running = running;
    return running;
  }

  /** Runs one step and prints its result. */
  async step<T>(what: string, act: () => Promise<T>): Promise<T> {
    if (this.isInterrupted && !this.isCleaningUp) throw new Failed("interrupted");
    const begun = Date.now();
    const say = (mark: string) => console.log(`${mark}  ${what} (${Math.round((Date.now() - begun) / 1000)} s)`);
    try {
      const result = await act();
      say("ok    ");
      return result;
    } catch (error) {
      say("FAILED");
      if (this.isInterrupted && !this.isCleaningUp) throw new Failed("interrupted", { cause: error });
      throw error;
    }
  }

  expectNoChanges(): Promise<Run> {
    return this.succeed("preview", "--expect-no-changes", "--diff");
  }

  /** The images in the outputs, as JSON. */
  async image(): Promise<string> {
    const { images = {} } = (await this.outputs()) as { images?: object };
    const text = JSON.stringify(images);
    if (!/"id":/.test(text)) throw new Failed(`the outputs contain no image: ${text}`);
    return text;
  }
}
