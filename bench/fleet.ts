// Ten recipes in one stack when there is nothing to do, compared with one.
import { join } from "node:path";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import type { Row } from "./table.ts";
import { timedUp, timingVariables } from "./timed-up.ts";

/** How much longer ten recipes may take than one. */
const allowed = 1.5;

/** How often a no-op `up` is timed; the fastest one counts, as other work on the computer only makes it slower. */
const runs = 3;

/**
 * Bakes one recipe, then nine more in the same stack, and times `pulumi up` with nothing to do for both.
 * @param say Receives progress lines.
 */
export async function benchFleet(say: (line: string) => void): Promise<Row[]> {
  const recipe = (index: number) => ({
    name: `worker-${index}`,
    distribution: "debian12",
    size: "2G",
    modules: ["run"],
    run: [`echo ${index} >/etc/worker`],
  });
  const stack = await TemporaryStack.create(recipe(0), {}, timingVariables);
  try {
    say("fleet: baking one recipe");
    const one = await nothingToDo(stack);
    say("fleet: baking nine more");
    const files = Array.from({ length: 10 }, (_, index) => `recipe${index || ""}.yaml`);
    for (const [index, file] of files.entries()) await stack.recipe(recipe(index), file);
    await stack.settings({ recipes: files.map((file) => join(stack.directory, file)) });
    const ten = await nothingToDo(stack);
    const against = { what: `${allowed} × one:`, seconds: allowed * one };
    return [
      { what: "`pulumi up` with nothing to do, one recipe", seconds: one },
      { what: "`pulumi up` with nothing to do, ten recipes", seconds: ten, against },
    ];
  } finally {
    await stack.remove();
  }
}

/** Bakes what is missing, drops the builders' records, and times `up` without changes. */
async function nothingToDo(stack: TemporaryStack): Promise<number> {
  await stack.up();
  await stack.up();
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const { steps, took } = await timedUp(stack);
    if (steps.length > 0) throw new Error(`not a no-op: ${steps.map(({ name }) => name).join(", ")}`);
    times.push(took);
  }
  return Math.min(...times);
}
