// Plans a recipe: the work on the builder, and the hash that identifies the image's content. It only reads the files
// that the recipe names, so a preview can do it.
import { UserError, type Complaint } from "../../common/user-error.ts";
import { digestOfValue } from "./digest.ts";
import type { Distribution } from "../module.ts";
import { configurationFor, type Format, type Recipe, type RecipeBase, type RecipeModule } from "../recipe/recipe.ts";
import { defaultCheckSeconds, RecordingRoot, type Check, type Step, type Upload } from "./root.ts";
import { isSecretName, missingSecret, slowDigest, type Secrets } from "../recipe/secrets.ts";

export type { Check, Step, Upload } from "./root.ts";

/** What one module does. */
export interface ModulePlan {
  /** Its name, with `_` for `-`: `install_rpms`. */
  name: string;
  /** sha256 of this module's work, independent of the modules before it. */
  hash: string;
  /** sha256 of everything up to and including this module: the trigger of its Command. */
  prefixHash: string;
  /** sha256 of its settings, to explain why `hash` changed. */
  settingsHash: string;
  /** The key that holds its settings in the recipe: `add_users`. */
  settingsKey: string;
  /** Its settings from the recipe; a secret is a placeholder from secret-text.ts. */
  settings: unknown;
  /** Files that must be on the builder before the first step. */
  uploads: Upload[];
  /** Scripts and reboots in order; never two scripts in a row. */
  steps: Step[];
  /** The facts that it states about the image. */
  checks: Check[];
  /** Names of the secrets that its scripts read. */
  usesSecrets: string[];
  /** Time limit for each of its scripts, in seconds. */
  timeoutSeconds: number;
}

/** All the work for one image of a recipe. */
export interface Plan {
  /** The recipe's name. */
  name: string;
  distribution: Distribution;
  /** Size of the disk, in bytes. */
  sizeBytes: number;
  formats: Format[];
  base: RecipeBase;
  modules: ModulePlan[];
  /** The modules' checks in order, then the recipe's tests. */
  checks: Check[];
  /** The version of the sealing step. */
  sealVersion: string;
  /**
   * sha256 over everything that determines the image's content, but not comments, key order, time limits or this
   * computer's paths.
   * @param resolvedBaseId An id derived from the base's content, e.g. `ResolvedBase.id` or an AMI's id.
   */
  recipeHash(resolvedBaseId: string): string;
}

/** What {@link planRecipe} needs besides the recipe. */
export interface PlanOptions {
  /** The version of the sealing step, a part of the hash. */
  sealVersion: string;
  /** The stack's secrets, from `readSecrets`. */
  secrets?: Secrets;
  /** Size of the disk in bytes, if the stack decides it rather than the recipe (on clouds). */
  sizeBytes?: number;
  /** The login account, if it differs from the distribution's own (`root` on Rackspace). */
  loginUser?: string;
}

/**
 * Runs every module of a recipe on a recording root.
 * @param recipe From `loadRecipe`.
 * @param distribution One of the recipe's.
 * @throws UserError with the complaints of all modules together: wrong settings, missing secrets, unreadable files.
 */
export async function planRecipe(recipe: Recipe, distribution: Distribution, options: PlanOptions): Promise<Plan> {
  const target = options.loginUser ? { ...distribution, loginUser: options.loginUser } : distribution;
  const secrets = options.secrets ?? {};
  const complaints: Complaint[] = [];
  const modules: ModulePlan[] = [];
  let prefixHash = digestOfValue(["distribution", target.id]);
  for (const module of recipe.modules) {
    try {
      const root = await record(recipe, module, target, secrets);
      const hash = hashOf(module.name, root, secrets);
      prefixHash = digestOfValue([prefixHash, hash]);
      modules.push(planOf(module, root, hash, prefixHash));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      complaints.push(...error.complaints);
    }
  }
  if (complaints.length > 0) throw new UserError(...complaints);
  const tests = recipe.tests.map(({ name, run, timeoutSeconds = defaultCheckSeconds }) => {
    return { module: "recipe", what: name, script: run, timeoutSeconds };
  });
  const checks = [...modules.flatMap((each) => each.checks), ...tests];
  const { name, formats } = recipe;
  const sizeBytes = options.sizeBytes ?? recipe.sizeBytes;
  const base = baseOf(recipe, distribution);
  const { sealVersion } = options;
  return {
    name,
    distribution: target,
    sizeBytes,
    formats,
    base,
    modules,
    checks,
    sealVersion,
    recipeHash: (resolvedBaseId) =>
      digestOfValue({
        base: resolvedBaseId,
        modules: prefixHash,
        checks: checks.map(contentOfCheck),
        sizeBytes,
        formats: [...formats].sort(),
        seal: sealVersion,
      }),
  };
}

function baseOf(recipe: Recipe, distribution: Distribution): RecipeBase {
  const base = recipe.bases[distribution.id];
  if (base) return base;
  const there = recipe.distributions.map(({ id }) => id).join(", ");
  throw new UserError({
    where: recipe.file,
    found: `not for ${distribution.id}, which the stack or the command line requests`,
    allowed: there,
    cure: `add ${distribution.id} to the recipe's distributions, or request one of these`,
  });
}

async function record(recipe: Recipe, module: RecipeModule, distribution: Distribution, secrets: Secrets) {
  const where = `${recipe.file}: module ${module.writtenName}`;
  const root = new RecordingRoot({
    module: module.name,
    distribution,
    folder: recipe.folder,
    requireSecret(name) {
      if (!isSecretName(name)) throw new UserError({ where, found: `"${name}" is not a valid name for a secret` });
      if (!Object.hasOwn(secrets, name)) throw new UserError(missingSecret(name, where));
    },
  });
  try {
    await module.file.modify(module.writtenName, root, configurationFor(recipe, module));
  } catch (error) {
    // Modules don't know the recipe's file: add it to their complaints.
    if (error instanceof UserError) throw new UserError(...error.complaints.map((each) => inFile(recipe.file, each)));
    // A module may stop a bake by throwing. Show its message, and the trace, to find a mistake in the module.
    const found = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new UserError({ where, found: `it refused to build: ${found}` });
  }
  return root;
}

function inFile(file: string, complaint: Complaint): Complaint {
  return complaint.where.includes(file) ? complaint : { ...complaint, where: `${file}: ${complaint.where}` };
}

function planOf(module: RecipeModule, root: RecordingRoot, hash: string, prefixHash: string): ModulePlan {
  return {
    name: module.name,
    hash,
    prefixHash,
    settingsHash: digestOfValue(module.settings ?? null),
    settingsKey: module.settingsKey,
    settings: module.settings,
    uploads: root.uploads,
    steps: root.steps,
    checks: root.checks,
    usesSecrets: [...root.secrets].sort(),
    timeoutSeconds: module.timeoutSeconds,
  };
}

function hashOf(name: string, root: RecordingRoot, secrets: Secrets): string {
  return digestOfValue({
    name,
    steps: root.steps,
    uploads: root.uploads.map(({ destination, digest }) => [destination, digest]),
    checks: root.checks.map(contentOfCheck),
    secrets: [...root.secrets].sort().map((secret) => [secret, slowDigest(secret, secrets[secret] ?? "")]),
  });
}

/** A check without its time limit, which doesn't affect the image. */
function contentOfCheck({ module, what, script }: Check): string[] {
  return [module, what, script];
}

/** The secrets that a plan's modules read. */
export function usedSecrets({ modules }: Plan, secrets: Secrets): Secrets {
  const names = new Set(modules.flatMap(({ usesSecrets }) => usesSecrets));
  return Object.fromEntries(Object.entries(secrets).filter(([name]) => names.has(name)));
}
