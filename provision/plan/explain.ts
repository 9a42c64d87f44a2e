// Explains why an image is baked again, by comparing a plan's description with the previous one, which the stack's
// outputs keep.
import { basename } from "node:path";
import { digestOfValue } from "./digest.ts";
import type { ModulePlan, Plan } from "./plan.ts";
import { rememberedSettings, settingChanges } from "../setting-changes.ts";
import { formatSize } from "../../common/sizes.ts";

/** The parts of a recipe hash, as digests and plain words. JSON, without secrets or paths. */
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
  /** The content behind the digests. Too large for images in clouds; missing in descriptions by older versions. */
  details?: PlanDetails;
}

/** The details that explain a change. JSON, without the values of secrets. */
export interface PlanDetails {
  /** By module name. */
  modules: Record<string, ModuleDetails>;
  /** Digests of the recipe's own tests, by name. */
  tests: Record<string, string>;
  /** The base's description, if it is the image of another recipe. */
  base?: PlanDescription;
}

interface ModuleDetails {
  /** The key of its settings in the recipe. */
  key: string;
  /** In the form of {@link rememberedSettings}. */
  settings: unknown;
  /** A digest of its scripts and checks. */
  script: string;
  /** Digests of the files and folders that it uploads, by name; for several of the same name, separated by spaces. */
  uploads: Record<string, string>;
  /** The names of the secrets that its scripts read. */
  secrets: string[];
}

/**
 * Describes a plan, for the stack's outputs and the manifest.
 * @param base The resolved base: its id is part of the hash, its description is for people (`debian 12.12
 *   (2026-09-06)`). `plan` is its own description, if it is the image of another recipe.
 */
export function describePlan(
  plan: Plan,
  base: { id: string; description?: string; plan?: PlanDescription },
): PlanDescription {
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
    details: {
      modules: Object.fromEntries(plan.modules.map((module) => [module.name, detailsOf(module)])),
      tests: joined(tests.map(([what, script]) => [what, digestOfValue(script)])),
      ...(base.plan && { base: base.plan }),
    },
  };
}

function detailsOf({ settingsKey, settings, steps, checks, uploads, usesSecrets }: ModulePlan): ModuleDetails {
  // An upload's path on the builder contains its digest: replace it, so that a changed file doesn't change the script.
  const script = uploads.reduce(
    (text, { source, destination }) => text.replaceAll(destination, basename(source)),
    JSON.stringify([steps, checks.map(({ what, script }) => [what, script])]),
  );
  return {
    key: settingsKey,
    settings: rememberedSettings(settings),
    script: digestOfValue(script),
    uploads: joined(uploads.map(({ source, digest }) => [basename(source), digest])),
    secrets: usesSecrets,
  };
}

/** Digests by name. Files of the same name, from different folders, share an entry, and so do tests. */
function joined(named: readonly (readonly [name: string, digest: string])[]): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const [name, digest] of named) digests[name] = name in digests ? `${digests[name]} ${digest}` : digest;
  return digests;
}

/** The description without details, for images in clouds, and for the component's inputs, which a preview prints. */
export function withoutDetails({ details: _, ...description }: PlanDescription): PlanDescription {
  return description;
}

/**
 * Explains the differences, one line each, e.g. `add_users: + harlowja`.
 * @returns no line if the recipe hash is the same.
 */
export function explainChange(before: PlanDescription, after: PlanDescription): string[] {
  if (before.recipe === after.recipe) return [];
  const lines: string[] = [];
  const compare = (what: string, old: string, now: string) => {
    if (old !== now) lines.push(`${what}: ${old} => ${now}`);
  };
  compare("distribution", before.distribution, after.distribution);
  if (before.base.id !== after.base.id) lines.push(...baseChange(before, after));
  compare("disk size", before.size, after.size);
  compare("formats", before.formats.join(", "), after.formats.join(", "));
  lines.push(...moduleChanges(before, after), ...testChanges(before, after));
  compare("sealing step", `version ${before.seal}`, `version ${after.seal}`);
  return lines.length > 0 ? lines : ["ci-images itself changed how the recipe hash is computed"];
}

type Described = PlanDescription["modules"][number];

function moduleChanges(before: PlanDescription, after: PlanDescription): string[] {
  const lines: string[] = [];
  for (const now of after.modules) {
    const old = before.modules.find(({ name }) => name === now.name);
    if (!old) lines.push(`module ${now.name}: added`);
    else if (old.hash !== now.hash) {
      const known = [before.details?.modules[now.name], after.details?.modules[now.name]] as const;
      lines.push(...(known[0] && known[1] ? explainModule(now.name, known[0], known[1]) : [coarseChange(old, now)]));
    }
  }
  const isIn = (list: readonly Described[]) => (each: Described) => list.some(({ name }) => name === each.name);
  for (const old of before.modules.filter((each) => !isIn(after.modules)(each))) {
    lines.push(`module ${old.name}: removed`);
  }
  const order = (list: readonly Described[]) => list.map(({ name }) => name).join(", ");
  const stayed = [order(before.modules.filter(isIn(after.modules))), order(after.modules.filter(isIn(before.modules)))];
  if (stayed[0] !== stayed[1]) lines.push(`order of modules: ${stayed[0]} => ${stayed[1]}`);
  return lines;
}

/** The changes in a module, down to the setting, file or secret. */
function explainModule(name: string, before: ModuleDetails, after: ModuleDetails): string[] {
  const settings = settingChanges(after.key, before.settings, after.settings);
  const uploads = uploadChanges(before.uploads, after.uploads);
  const secrets = [
    ...after.secrets.filter((each) => !before.secrets.includes(each)).map((each) => `secret ${each}: now used`),
    ...before.secrets.filter((each) => !after.secrets.includes(each)).map((each) => `secret ${each}: no longer used`),
  ];
  const lines = [...settings, ...[...uploads, ...secrets].map((line) => `module ${name}: ${line}`)];
  if (settings.length === 0 && before.script !== after.script) {
    lines.push(`script of module ${name} changed (same settings)`);
  }
  if (lines.length > 0) return lines;
  // Only a secret's value can have changed: its digest is only in the hash.
  return [`module ${name}: the value of a secret changed (${after.secrets.join(", ")})`];
}

function uploadChanges(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => {
    if (before[name] === after[name]) return [];
    const what = before[name] === undefined ? "added" : after[name] === undefined ? "removed" : "changed";
    return [`uploaded file ${name} ${what}`];
  });
}

/** The explanation for a changed module if one of the descriptions has no details. */
function coarseChange(before: Described, after: Described): string {
  const why = before.settings === after.settings ? "its script, files or secrets changed" : "settings changed";
  return `module ${after.name}: ${why} (${short(before.hash)} => ${short(after.hash)})`;
}

function testChanges(before: PlanDescription, after: PlanDescription): string[] {
  if (before.tests === after.tests) return [];
  const [old, now] = [before.details?.tests, after.details?.tests];
  if (!old || !now) return ["tests changed"];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  const lines = names.flatMap((name) => {
    if (old[name] === now[name]) return [];
    if (old[name] === undefined) return [`tests: + ${name}`];
    return [now[name] === undefined ? `tests: - ${name}` : `test "${name}" changed`];
  });
  return lines.length > 0 ? lines : ["tests: order changed"];
}

function baseChange(before: PlanDescription, after: PlanDescription): string[] {
  const [old, now] = [before.base, after.base];
  if (old.description === now.description) return [`base: ${old.description}, ${short(old.id)} => ${short(now.id)}`];
  const tiers = [before.details?.base, after.details?.base] as const;
  // Two different recipes can't be compared.
  const reasons = tiers[0] && tiers[0].name === tiers[1]?.name ? explainChange(tiers[0], tiers[1]) : [];
  return [`base: ${old.description} => ${now.description}`, ...reasons.map((reason) => `${tiers[0]!.name}: ${reason}`)];
}

/** The recipes that an image was made on top of, nearest first. */
export function ancestorsOf({ details }: PlanDescription): PlanDescription[] {
  return details?.base ? [details.base, ...ancestorsOf(details.base)] : [];
}

function short(hash: string): string {
  return hash.slice(0, 8);
}
