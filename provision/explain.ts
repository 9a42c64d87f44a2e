// Why an image is baked anew, in words: a plan's description is kept in the stack's outputs, and compared with the next plan's.
import { digestOfValue } from "./digest.ts";
import type { Plan } from "./plan.ts";
import { formatSize } from "./sizes.ts";

/** What decided an image's content, as digests and plain words. JSON, without secrets and paths. */
export interface PlanDescription {
  /** The recipe's name. */
  name: string;
  /** The recipe hash. */
  recipe: string;
  /** The distribution's id. */
  distribution: string;
  /** The disk's size: `4G`. */
  size: string;
  formats: string[];
  base: { id: string; description: string };
  modules: { name: string; hash: string; settings: string }[];
  /** A digest of the checks that come from the recipe's own tests. */
  tests: string;
  /** The version of the sealing step. */
  seal: string;
}

/**
 * Describes a plan for the stack's outputs and the manifest.
 * @param base The resolved base: its id counts in the hash, its description is for people (`debian 12.12 (2026-09-06)`).
 */
export function describePlan(plan: Plan, base: { id: string; description?: string }): PlanDescription {
  const tests = plan.checks.filter(({ module }) => module === "recipe").map(({ what, script }) => [what, script]);
  return {
    name: plan.name,
    recipe: plan.recipeHash(base.id),
    distribution: plan.distribution.id,
    size: formatSize(plan.sizeBytes),
    formats: [...plan.formats].sort(),
    base: { id: base.id, description: base.description ?? base.id },
    modules: plan.modules.map(({ name, hash, settingsHash }) => ({ name, hash, settings: settingsHash })),
    tests: digestOfValue(tests),
    seal: plan.sealVersion,
  };
}

/**
 * Says in words what is different, one line each, e.g. `module nginx: settings changed (3f2a91b0 => 91bc0d2e)`.
 * @returns no line when the recipe hash is the same.
 */
export function explainChange(before: PlanDescription, after: PlanDescription): string[] {
  if (before.recipe === after.recipe) return [];
  const lines: string[] = [];
  const compare = (what: string, old: string, now: string) => {
    if (old !== now) lines.push(`${what}: ${old} => ${now}`);
  };
  compare("distribution", before.distribution, after.distribution);
  if (before.base.id !== after.base.id) lines.push(`base: ${baseChange(before.base, after.base)}`);
  compare("disk size", before.size, after.size);
  compare("formats", before.formats.join(", "), after.formats.join(", "));
  lines.push(...moduleChanges(before.modules, after.modules));
  if (before.tests !== after.tests) lines.push("tests changed");
  compare("sealing step", `version ${before.seal}`, `version ${after.seal}`);
  return lines.length > 0 ? lines : ["ci-images itself changed what the recipe hash is made of"];
}

type Described = PlanDescription["modules"][number];

function moduleChanges(before: readonly Described[], after: readonly Described[]): string[] {
  const lines: string[] = [];
  for (const now of after) {
    const old = before.find(({ name }) => name === now.name);
    if (!old) lines.push(`module ${now.name}: added`);
    else if (old.hash !== now.hash) {
      const why = old.settings === now.settings ? "its script, files or secrets changed" : "settings changed";
      lines.push(`module ${now.name}: ${why} (${short(old.hash)} => ${short(now.hash)})`);
    }
  }
  const isIn = (list: readonly Described[]) => (each: Described) => list.some(({ name }) => name === each.name);
  for (const old of before.filter((each) => !isIn(after)(each))) lines.push(`module ${old.name}: removed`);
  const order = (list: readonly Described[]) => list.map(({ name }) => name).join(", ");
  const stayed = [order(before.filter(isIn(after))), order(after.filter(isIn(before)))];
  if (stayed[0] !== stayed[1]) lines.push(`order of modules: ${stayed[0]} => ${stayed[1]}`);
  return lines;
}

function baseChange(before: PlanDescription["base"], after: PlanDescription["base"]): string {
  if (before.description !== after.description) return `${before.description} => ${after.description}`;
  return `${before.description}, ${short(before.id)} => ${short(after.id)}`;
}

function short(hash: string): string {
  return hash.slice(0, 8);
}
