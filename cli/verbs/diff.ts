// `diff`: shows what changed between two generations of an image.
import { UserError } from "../../common/user-error.ts";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import { compareImages, type ComparedImage } from "../compare-generations.ts";
import { chosenRecipe, recipeOption } from "../recipe-choice.ts";
import { distributionIds } from "../worker-choice.ts";
import { workerOfName, type ExportedState } from "../exported-state.ts";
import type { Verb } from "../verb.ts";

/** One generation of an image, with its content as far as it is known. */
interface GenerationContent extends ComparedImage {
  /** The recipe hash. */
  recipe: string;
  /** The worker image's name: its distribution, after the place if there are several. */
  worker: string;
  distribution: string;
  /** ISO 8601. */
  builtAt: string;
}

export const diff: Verb = {
  name: "diff",
  summary: "shows what changed between two generations: modules, packages (added, removed, versions), size",
  details: `Generations are named by the beginning of their recipe hash, which \`status\` shows. Without names, the two newest
are compared; with one name, that generation and the newest.`,
  operands: [
    { name: "[a]", what: "the older generation" },
    { name: "[b]", what: "the newer generation" },
  ],
  options: [recipeOption],
  examples: ["diff", "diff --recipe docker", "diff 1a2b3c4d", "diff 1a2b3c4d 5e6f7a8b"],
  async run({ operands: [a, b], options, session, output }) {
    const stack = await session.stack({ ...options, keepSettings: true });
    const ids = options.distribution && distributionIds(options.distribution);
    const state = await stack.state();
    const isMeant = chosenRecipe(state, options.recipe, stack.name);
    const all = (await generations(state)).filter(({ worker }) => isMeant(worker));
    const fitting = ids ? all.filter(({ distribution }) => ids.includes(distribution)) : all;
    const [older, newer] = chosen(fitting, a, b, stack.name);
    const name = ({ recipe, builtAt }: GenerationContent) => `${recipe.slice(0, 8)} (${builtAt})`;
    output.result(`${newer.worker}: ${name(older)} => ${name(newer)}`);
    for (const line of compareImages(older, newer)) output.result(line);
  },
};

/** All generations, newest first. */
async function generations(state: ExportedState): Promise<GenerationContent[]> {
  const all = [...(await generationsHere(state)), ...generationsInCloud(state)];
  return all.sort((one, other) => other.builtAt.localeCompare(one.builtAt));
}

/** The generations on this computer. */
async function generationsHere(state: ExportedState): Promise<GenerationContent[]> {
  const { findImage } = await import("../../components/local/provider/disk/image-store.ts");
  const found = await Promise.all(
    // An image that a cloud's stack bakes here and imports belongs to the same worker image there.
    state.folders.map(async ({ path, worker }) => ({
      worker: worker.replace(/^local-/, ""),
      image: await findImage(path),
    })),
  );
  return found.flatMap(({ worker, image }) => {
    if (!image) return [];
    const { recipe, distribution, builtAt, plan, packages, files } = image.manifest;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return [{ recipe, distribution, worker, builtAt, packages, plan: plan, bytes }];
  });
}

/** The generations in a cloud. The state has their plans, but not their packages. */
function generationsInCloud(state: ExportedState): GenerationContent[] {
  const plans = Object.values((state.outputs.plans ?? {}) as Record<string, PlanDescription>);
  const all = state.cloudImages.flatMap(({ urn, created = "" }) => {
    const { worker, recipe } = workerOfName(urn) ?? {};
    const plan = plans.find((each) => recipe !== undefined && each.recipe.startsWith(recipe));
    if (!worker || !plan) return [];
    const builtAt = state.images.find(({ image }) => image.recipe === plan.recipe)?.image.builtAt ?? created;
    return [{ recipe: plan.recipe, worker, distribution: plan.distribution, builtAt, plan }];
  });
  // Copies in other regions are the same generation.
  return [...new Map(all.map((each) => [`${each.worker} ${each.recipe}`, each])).values()];
}

function chosen(all: readonly GenerationContent[], a: string | undefined, b: string | undefined, stack: string) {
  const allowed = all.map(({ recipe, worker }) => `${recipe.slice(0, 8)} (${worker})`).join(", ") || "none";
  const named = (name: string) => {
    const found = all.filter(({ recipe }) => recipe.startsWith(name.toLowerCase()));
    if (found.length === 1) return found[0];
    const what = found.length === 0 ? "no generation" : "several generations";
    throw new UserError({ where: `stack ${stack}`, found: `${what} ${name}`, allowed });
  };
  const older = a === undefined ? undefined : named(a);
  const same = older ? all.filter(({ worker }) => worker === older.worker) : all;
  if (older === undefined && new Set(all.map(({ worker }) => worker)).size > 1) {
    throw new UserError({
      where: `stack ${stack}`,
      found: "several images",
      allowed,
      cure: "choose one with --distribution NAME or --recipe NAME, or name the generations",
    });
  }
  const newer = b === undefined ? same[0] : named(b);
  const before = older ?? same[1];
  if (before && newer) return [before, newer] as const;
  throw new UserError({ where: `stack ${stack}`, found: "fewer than two generations to compare", allowed });
}
