// Checks the content of a recipe's file and turns it into a Recipe. Collects all complaints instead of stopping at the
// first.
import { basename, dirname, extname, resolve } from "node:path";
import { UserError, type Complaint } from "../../common/user-error.ts";
import { findBases } from "./check-base.ts";
import { lookUpDistribution, unknownDistribution } from "../distributions.ts";
import { kernelArgumentsKey, kernelArgumentsModule } from "../plan/kernel-arguments.ts";
import { moduleKey, type ModuleCatalogue } from "./load-modules.ts";
import { stepNames } from "../plan/step-names.ts";
import type { Distribution, ModuleFile } from "../module.ts";
import type { Format, Recipe, RecipeModule, RecipeTest } from "./recipe.ts";
import { spellingsIn, type WrittenAs } from "./read-yaml.ts";
import { recipeProperties, recipeSchema, settingsKeyOf } from "./schema.ts";
import { withSecretTexts } from "../shell/secret-text.ts";
import { durationForm, formatSize, parseDuration, parseSize, sizeForm } from "../../common/sizes.ts";
import { complaintsOf, inQuotes, inWords, keyText, unknownName } from "./validate.ts";

const defaultModuleSeconds = 60 * 60;
const smallestDisk = 256 * 1024 ** 2;
const largestDisk = 64 * 1024 ** 4;

interface ListedModule {
  name: string;
  writtenName: string;
  file: ModuleFile;
}

/**
 * Checks a recipe.
 * @param file The file it was read from, for messages and as the base of relative paths.
 * @param read Its content.
 * @param catalogue The available modules.
 * @throws UserError with all complaints.
 */
export async function checkRecipe(file: string, read: object, catalogue: ModuleCatalogue): Promise<Recipe> {
  const check = new RecipeCheck(file, read, catalogue);
  return check.recipe();
}

/** Why a module, or the key of its settings, can't have a name; undefined if it can. */
function reservedName(name: string): string | undefined {
  if (Object.hasOwn(recipeProperties, name)) return `${name} is a key of every recipe`;
  return (stepNames as readonly string[]).includes(name) ? `${name} is a step of every bake` : undefined;
}

class RecipeCheck {
  readonly #file: string;
  readonly #catalogue: ModuleCatalogue;
  readonly #spelling: WrittenAs;
  readonly #complaints: Complaint[] = [];
  /**
   * The recipe with `_` for `-` in its keys, as in module names; without keys that have no value, and without `x-...`.
   */
  readonly #configuration: Record<string, unknown>;
  /** The recipe's keys as written in the file, by those in the configuration. */
  readonly #writtenKeys: ReadonlyMap<string, string>;
  /** Unknown module names. A key of the same name needs no second complaint. */
  readonly #unknownModules = new Set<string>();

  constructor(file: string, read: object, catalogue: ModuleCatalogue) {
    this.#file = file;
    this.#catalogue = catalogue;
    this.#spelling = spellingsIn(file);
    const given = Object.entries(structuredClone(read)).filter(
      ([key, value]) => value !== null && value !== undefined && !key.startsWith("x-"),
    );
    this.#refuseTwoSpellings(given.map(([key]) => key));
    this.#writtenKeys = new Map(given.map(([key]) => [moduleKey(key), key]));
    this.#configuration = Object.fromEntries(
      given.map(([key, value]: [string, unknown]) => {
        const isOurs = Object.hasOwn(recipeProperties, key);
        return [moduleKey(key), isOurs ? value : withSecretTexts(value)];
      }),
    );
  }

  async recipe(): Promise<Recipe> {
    const folder = dirname(resolve(this.#file));
    // The schema fills in the default below.
    const hasSize = this.#configuration.size !== undefined;
    const listed = await this.#listedModules();
    await this.#refuseUnknownKeys(listed);
    this.#complaints.push(...complaintsOf(recipeSchema(listed), this.#configuration, this.#file, this.#writtenAs));
    this.#requireSettings(listed);
    this.#refuseRespelledNumbers(listed);
    const name = this.#name();
    const distributions = this.#distributions();
    const bases = findBases(this.#file, folder, this.#configuration.base, distributions, this.#complaints);
    const sizeBytes = this.#size();
    const modules = [...this.#modules(listed), ...this.#kernelArguments()];
    const tests = this.#tests();
    if (this.#complaints.length > 0) throw new UserError(...this.#complaints);
    const formats = (this.#configuration.formats as Format[] | undefined) ?? ["qcow2"];
    const configuration = this.#configuration;
    return {
      name,
      file: this.#file,
      folder,
      distributions,
      bases,
      sizeBytes,
      hasSize,
      formats,
      modules,
      tests,
      configuration,
    };
  }

  async #listedModules(): Promise<ListedModule[]> {
    const names = this.#configuration.modules;
    const listed: ListedModule[] = [];
    for (const [index, writtenName] of (Array.isArray(names) ? names : []).entries()) {
      const key = `modules[${index}]`;
      if (typeof writtenName !== "string") continue; // the schema's complaint
      const name = moduleKey(writtenName);
      if (!this.#catalogue.fileOf(name)) {
        this.#unknownModules.add(name);
        this.#complain({ key, ...unknownName("module", writtenName, this.#catalogue.names) });
      } else if (listed.some((each) => each.name === name)) {
        this.#complain({ key, found: `module "${writtenName}" is listed twice`, allowed: "each module once" });
      } else {
        const file = await this.#load(name);
        const reserved = reservedName(name) ?? (file && reservedName(settingsKeyOf({ name, file })));
        if (file && reserved === undefined) {
          listed.push({ name, writtenName, file });
          continue;
        }
        this.#unknownModules.add(name);
        if (reserved === undefined) continue;
        const cure = `give it another ${reservedName(name) ? "name" : "settingsKey"}: ${this.#catalogue.fileOf(name)}`;
        this.#complain({ key, found: `module "${writtenName}": ${reserved}`, cure });
      }
    }
    return listed;
  }

  async #refuseUnknownKeys(listed: readonly ListedModule[]): Promise<void> {
    const allowed = [...Object.keys(recipeProperties), ...listed.map(settingsKeyOf)];
    for (const key of Object.keys(this.#configuration)) {
      if (allowed.includes(key) || this.#unknownModules.has(key)) continue;
      const owner = await this.#ownerOf(key);
      if (owner === undefined) {
        this.#complain({ key, ...unknownName("key", key, allowed) });
      } else if (listed.some(({ name }) => name === owner.name)) {
        const cure = `write "${owner.settingsKey}:" instead`;
        this.#complain({ key, found: `module ${owner.name} reads its settings from another key`, cure });
      } else {
        const cure = `add "- ${owner.name}" to modules, or remove the key`;
        this.#complain({ key, found: `the settings of module ${owner.name}, which is not in modules`, cure });
      }
    }
  }

  async #ownerOf(key: string): Promise<{ name: string; settingsKey: string } | undefined> {
    for (const name of this.#catalogue.names) {
      // Ignore a broken module that the recipe doesn't use, unless it has the key's name.
      const file = await this.#load(name, name === key);
      if (!file) continue;
      const settingsKey = settingsKeyOf({ name, file });
      if (name === key || settingsKey === key) return { name, settingsKey };
    }
    return undefined;
  }

  /** @returns undefined if the module can't be loaded; adds a complaint by default. */
  async #load(name: string, complains = true): Promise<ModuleFile | undefined> {
    try {
      return await this.#catalogue.load(name);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (complains) this.#complaints.push(...error.complaints);
      return undefined;
    }
  }

  #requireSettings(listed: readonly ListedModule[]): void {
    for (const module of listed) {
      const key = settingsKeyOf(module);
      if (!module.file.settingsRequired || this.#configuration[key] !== undefined) continue;
      const { examples } = (module.file.settings ?? {}) as { examples?: unknown[] };
      const allowed = examples?.length ? `e.g. ${key}: ${JSON.stringify(examples[0])}` : undefined;
      this.#complain({ key, found: `missing, and module ${module.name} needs it`, allowed });
    }
  }

  /** A shell module gets numbers as text, and has no schema that asks for quotes. */
  #refuseRespelledNumbers(listed: readonly ListedModule[]): void {
    for (const module of listed) {
      if (extname(this.#catalogue.fileOf(module.name) ?? "") !== ".sh") continue;
      const key = settingsKeyOf(module);
      for (const { path, value } of numbersIn(this.#configuration[key], [key])) {
        const written = this.#writtenAs(path, value);
        const arriving = JSON.stringify(value);
        if (written === undefined || written === arriving) continue;
        const found = `${written}, which would arrive as ${arriving}`;
        this.#complain({
          key: keyText(path),
          found,
          allowed: "the spelling that arrives, or text",
          cure: inQuotes(written),
        });
      }
    }
  }

  #name(): string {
    const { name } = this.#configuration;
    if (typeof name === "string") return name;
    const fromFile = basename(this.#file, extname(this.#file))
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-");
    const found = complaintsOf(recipeProperties.name ?? {}, fromFile, this.#file);
    if (found.length > 0 && name === undefined) {
      this.#complain({
        key: "name",
        found: "missing, and the file's name is not a valid one",
        allowed: found[0]?.allowed,
      });
    }
    return fromFile;
  }

  #distributions(): Distribution[] {
    const { distribution, distributions } = this.#configuration;
    if (distribution !== undefined && distributions !== undefined) {
      this.#complain({ key: "distribution", found: "set, with distributions", allowed: "one of the two keys" });
    }
    const key = distributions === undefined ? "distribution" : "distributions";
    const ids = [distributions ?? distribution ?? "debian12"].flat();
    const known = new Set<Distribution>();
    for (const [index, id] of ids.entries()) {
      if (typeof id !== "string") continue; // the schema's complaint
      const found = lookUpDistribution(id);
      if (found) known.add(found);
      else
        this.#complaints.push(
          unknownDistribution(id, this.#file, Array.isArray(distributions) ? `${key}[${index}]` : key),
        );
    }
    return [...known];
  }

  #size(): number {
    const size = this.#configuration.size ?? "4G";
    if (typeof size !== "string") return 0; // the schema's complaint
    const bytes = parseSize(size);
    if (bytes === undefined) {
      this.#complain({ key: "size", found: inWords(size), allowed: sizeForm });
      return 0;
    }
    if (bytes < smallestDisk || bytes > largestDisk) {
      const allowed = `from ${formatSize(smallestDisk)} to ${formatSize(largestDisk)}`;
      this.#complain({ key: "size", found: inWords(size), allowed });
    }
    return bytes;
  }

  #modules(listed: readonly ListedModule[]): RecipeModule[] {
    const seconds = new Map<string, number>();
    const names = listed.map(({ name }) => name);
    const timeouts = (this.#configuration.timeouts ?? {}) as Record<string, unknown>;
    this.#refuseTwoSpellings(Object.keys(timeouts), "timeouts.");
    for (const [name, text] of Object.entries(timeouts)) {
      const key = `timeouts.${name}`;
      if (!names.includes(moduleKey(name))) this.#complain({ key, ...unknownName("module", name, names) });
      seconds.set(moduleKey(name), this.#duration(key, text) ?? defaultModuleSeconds);
    }
    return listed.map((module) => {
      const settingsKey = settingsKeyOf(module);
      const timeoutSeconds = seconds.get(module.name) ?? defaultModuleSeconds;
      return { ...module, settingsKey, settings: this.#configuration[settingsKey], timeoutSeconds };
    });
  }

  /** Treated as a module after the listed ones, so that a kernel installed by one of them gets the arguments, too. */
  #kernelArguments(): RecipeModule[] {
    const settings = this.#configuration[kernelArgumentsKey];
    if (settings === undefined) return [];
    const name = kernelArgumentsKey;
    const module = { name, writtenName: name, file: kernelArgumentsModule, settingsKey: name, settings };
    return [{ ...module, timeoutSeconds: defaultModuleSeconds }];
  }

  #tests(): RecipeTest[] {
    const tests = this.#configuration.tests;
    if (!Array.isArray(tests)) return [];
    return tests.map((test: { name: string; run: string; timeout?: string } | null, index) => {
      const { name = "", run = "", timeout } = test ?? {};
      return { name, run, timeoutSeconds: this.#duration(`tests[${index}].timeout`, timeout) };
    });
  }

  #duration(key: string, text: unknown): number | undefined {
    if (typeof text !== "string") return undefined; // absent, or the schema's complaint
    const seconds = parseDuration(text);
    if (seconds === undefined) this.#complain({ key, found: inWords(text), allowed: durationForm });
    return seconds;
  }

  /**
   * Refuses keys that differ only in `-` and `_`: one of them would be lost. Both may be the recipe's own, or one comes
   * from a merge key, which can't be told here.
   */
  #refuseTwoSpellings(keys: readonly string[], above = ""): void {
    const first = new Map<string, string>();
    for (const key of keys) {
      const other = first.get(moduleKey(key));
      if (other === undefined) first.set(moduleKey(key), key);
      else {
        const found = `written twice: ${other} and ${key}`;
        this.#complain({ key: `${above}${key}`, found, allowed: "once", cure: "use one spelling, in anchors, too" });
      }
    }
  }

  /** Finds a value's spelling in the file, whose keys may have `-` where ours have `_`. */
  readonly #writtenAs: WrittenAs = ([key, ...rest], value) =>
    this.#spelling([this.#writtenKeys.get(String(key)) ?? key, ...rest], value);

  #complain(complaint: Omit<Complaint, "where">): void {
    this.#complaints.push({ where: this.#file, ...complaint });
  }
}

/** The numbers in a value, with their paths. */
function numbersIn(value: unknown, path: (string | number)[]): { path: (string | number)[]; value: number }[] {
  if (typeof value === "number") return [{ path, value }];
  if (value === null || typeof value !== "object") return [];
  const isList = Array.isArray(value);
  return Object.entries(value).flatMap(([key, each]) => numbersIn(each, [...path, isList ? Number(key) : key]));
}
