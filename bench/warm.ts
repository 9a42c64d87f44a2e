// Warm caches: measures how long people wait in addition to the modules' own work and the verification boot.
import { fileURLToPath } from "node:url";
import { ensureBase, resolveBase } from "../components/local/provider/base/base.ts";
import { readYaml } from "../provision/recipe/read-yaml.ts";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import type { Row } from "./table.ts";
import {
  find,
  mark,
  timedUp,
  timingVariables,
  union,
  verificationOf,
  verificationRows,
  type TimedUp,
} from "./timed-up.ts";

/** The default recipe. */
export const recipeFile = fileURLToPath(new URL("../provision/recipes/jenkins-worker.yaml", import.meta.url));

/** In seconds. */
const targets = { firstCommand: 5, ownWork: 20, nothing: 5 };

/**
 * Bakes the default recipe with its base image in the cache, drops the builder's records, and runs `pulumi up` once
 * more.
 * @param say Receives progress lines.
 */
export async function benchWarm(say: (line: string) => void): Promise<Row[]> {
  const recipe = readYaml(recipeFile) as { distribution: string; modules: string[] };
  say("warm: making sure that the base image is in the cache");
  const source = { kind: "mirror", distribution: recipe.distribution } as const;
  await ensureBase(await resolveBase(source, { projectDirectory: "/" }), (line, transient) => transient || say(line));
  const modules = ["run", ...recipe.modules];
  const stack = await TemporaryStack.create({ ...recipe, modules, run: mark }, { verify: true }, timingVariables);
  try {
    say("warm: baking the default recipe");
    const bake = await timedUp(stack);
    say("warm: dropping the builder's records, then nothing");
    const drop = await timedUp(stack);
    const nothing = await timedUp(stack);
    if (nothing.steps.length > 0) throw new Error(`not a no-op: ${nothing.steps.map(({ name }) => name).join(", ")}`);
    return [
      ...bakeRows(bake, modules),
      { what: "`pulumi up` that drops the builder's records", seconds: drop.took },
      { what: "`pulumi up` with nothing to do", seconds: nothing.took, against: target(targets.nothing) },
    ];
  } finally {
    await stack.remove();
  }
}

function bakeRows({ took, firstCommand, steps }: TimedUp, modules: string[]): Row[] {
  if (firstCommand === undefined) throw new Error("the builder's first command did not say when it ran");
  const moduleSteps = modules.map((name) => find(steps, name));
  const ownWork = took - union([...moduleSteps, ...verificationOf(steps)]);
  const parts = ["builder", "tests", "inventory", "seal", "stop", "", "retirement", "trial-retirement", "promotion"];
  const ownSteps = parts.map((name) => ({ what: `— ${name || "image"}`, seconds: find(steps, name).seconds }));
  const rest = ownWork - union(parts.map((name) => find(steps, name)));
  return [
    {
      what: "`pulumi up` until the first command runs on the builder",
      seconds: firstCommand,
      against: target(targets.firstCommand),
    },
    { what: "all of that `pulumi up`", seconds: took },
    { what: "of it: the modules' own work", seconds: union(moduleSteps) },
    ...verificationRows(steps),
    { what: "of it: everything else", seconds: ownWork, against: target(targets.ownWork) },
    ...ownSteps,
    { what: "— program, engine, and between the steps", seconds: rest },
  ];
}

function target(seconds: number): Row["against"] {
  return { what: "target", seconds };
}
