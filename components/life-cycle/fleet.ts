// Reads the recipes of a stack and those they build on, checks them together, and sorts them in the order of baking.
import { existsSync, realpathSync } from "node:fs";
import { relative, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { UserError, type Complaint } from "../../common/user-error.ts";
import { findDistribution } from "../../provision/distributions.ts";
import type { Distribution } from "../../provision/module.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import type { Recipe, TierBase } from "../../provision/recipe/recipe.ts";
import { findCloud } from "../clouds.ts";
import { settingsOf, type Settings } from "../stack-settings.ts";

/** One recipe of the stack. */
export interface Member {
  recipe: Recipe;
  /** The stack's settings, including those for this recipe alone. */
  settings: Settings;
  /** The distributions to bake. */
  distributions: readonly Distribution[];
  /**
   * Whether the stack lists it. If not, it is only the base of another recipe, and its images are not in the outputs.
   */
  isListed: boolean;
  /** The recipe that it builds on. */
  base?: Member;
  /** Whether other recipes build on it. */
  isBase: boolean;
}

/** Whether the stack lists several recipes, so that outputs must name the recipe. */
export function isFleet({ recipes }: Settings): boolean {
  return recipes.length > 1;
}

/**
 * Reads the stack's recipes, and those they build on.
 * @param projectDirectory The base of relative paths in the settings.
 * @returns each recipe once, after the recipe that it builds on.
 * @throws UserError that reports all mistakes together; also if two recipes have the same name, or one builds on
 *   itself.
 */
export async function readFleet(settings: Settings, projectDirectory: string): Promise<Member[]> {
  const fleet = new Fleet(settings, projectDirectory);
  await fleet.read();
  return fleet.members;
}

class Fleet {
  readonly members: Member[] = [];
  private readonly where = `Pulumi.${pulumi.getStack()}.yaml`;
  private readonly listed: ReadonlyMap<string, Settings>;
  private readonly byFile = new Map<string, Member | undefined>();
  private readonly refused = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly projectDirectory: string,
  ) {
    const listed = settings.recipes.map((own) => [this.fileOf(own.recipe), settingsOf(settings, own)] as const);
    const files = listed.map(([file]) => file);
    const again = files.find((file, index) => files.indexOf(file) !== index);
    if (again !== undefined) {
      const found = `${this.short(again)} twice`;
      throw new UserError({ where: this.where, key: "ci-images:recipes", found, allowed: "each recipe once" });
    }
    this.listed = new Map(listed);
  }

  async read(): Promise<void> {
    for (const file of this.listed.keys()) await this.member(file, []);
    this.refuseNames();
    if (this.refused.size > 0) throw UserError.relayed([...this.refused].join("\n"));
    for (const member of [...this.members].reverse()) this.bakeBaseFor(member);
    if (this.refused.size > 0) throw UserError.relayed([...this.refused].join("\n"));
  }

  /**
   * Reads a recipe and the recipe that it builds on, and adds them in reverse order.
   * @param above The files of the recipes that build on it, nearest first.
   */
  private async member(file: string, above: readonly string[]): Promise<Member | undefined> {
    if (above.includes(file)) {
      const circle = [file, ...above.slice(0, above.indexOf(file) + 1)].reverse();
      const found = `a circle: ${circle.map((each) => this.short(each)).join(" builds on ")}`;
      this.refuse({
        where: this.short(above[0]),
        key: "base.recipe",
        found,
        allowed: "a recipe that does not build on this one",
      });
      return undefined;
    }
    if (this.byFile.has(file)) return this.byFile.get(file);
    const own = this.listed.get(file);
    const settings = own ?? this.settingsBelow();
    try {
      const read = await loadRecipe(file, this.loadOptions(file, settings));
      const base = await this.baseOf(read, [file, ...above]);
      // The disk must be large enough for the base's content.
      const recipe = base && !read.hasSize ? { ...read, sizeBytes: base.recipe.sizeBytes } : read;
      const asked = settings.distributions?.map((id) => findDistribution(id, this.where, "ci-images:distributions"));
      const distributions = own ? [...new Set(asked ?? recipe.distributions)] : [];
      const member: Member = { recipe, settings, distributions, isListed: own !== undefined, isBase: false };
      if (base) Object.assign(member, { base });
      this.byFile.set(file, member);
      this.members.push(member);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.refused.add(error.message);
      this.byFile.set(file, undefined);
    }
    return this.byFile.get(file);
  }

  private async baseOf({ bases }: Recipe, above: readonly string[]): Promise<Member | undefined> {
    const tier = Object.values(bases).find((base): base is TierBase => base.kind === "recipe");
    return tier && (await this.member(this.fileOf(tier.file), above));
  }

  /** Adds the recipe's distributions to those for which its base is baked. */
  private bakeBaseFor({ recipe, base, distributions }: Member): void {
    if (!base) return;
    base.isBase = true;
    const there = base.recipe.distributions;
    for (const { id } of distributions.filter((each) => !there.includes(each))) {
      this.refuse({
        where: recipe.file,
        key: "base.recipe",
        found: `${base.recipe.name} has no image of ${id}`,
        allowed: there.map((each) => each.id).join(", "),
        cure: `add ${id} to the distributions of ${base.recipe.file}, or leave it out here`,
      });
    }
    base.distributions = [...new Set([...base.distributions, ...distributions])];
  }

  private refuseNames(): void {
    if (this.members.length < 2) return;
    const files = new Map<string, string>();
    for (const { recipe } of this.members) {
      const { name, file } = recipe;
      const other = files.get(name);
      const complaint = { where: this.short(file), key: "name" };
      if (other !== undefined) {
        const found = `${name}, as in ${this.short(other)}`;
        this.refuse({ ...complaint, found, allowed: "another name for each recipe of a stack" });
      }
      if (/(^|-)[0-9a-f]{8}(-|$)/.test(name)) {
        const allowed =
          "in a stack with several recipes, no part of eight hexadecimal digits: it looks like a recipe hash";
        this.refuse({ ...complaint, found: name, allowed });
      }
      files.set(name, file);
    }
  }

  /**
   * The settings of a recipe that is only the base of another one. The stack's formats are for the images that it lists:
   * if nothing can be built on them, the recipe's own apply.
   */
  private settingsBelow(): Settings {
    const { formats, ...others } = this.settings;
    const { isHere } = findCloud(others.cloud);
    return isHere && formats && !formats.includes("qcow2") ? others : this.settings;
  }

  private loadOptions(file: string, { modules, size, formats }: Settings) {
    return {
      moduleFolders: modules === undefined ? [] : [resolve(this.projectDirectory, modules)],
      overrides: { ...(size === undefined ? {} : { size }), ...(formats === undefined ? {} : { formats }) },
      overriddenBy: (key: string) => ({ where: this.where, key: this.settingOf(file, key) }),
    };
  }

  /** The setting, for messages, that overrides a recipe's key: its own in the list of recipes, or the stack's. */
  private settingOf(file: string, key: string): string {
    const index = this.settings.recipes.findIndex((own) => own[key] !== undefined && this.fileOf(own.recipe) === file);
    return index < 0 ? `ci-images:${key}` : `ci-images:recipes[${index}].${key}`;
  }

  private fileOf(path: string): string {
    const file = resolve(this.projectDirectory, path);
    return existsSync(file) ? realpathSync(file) : file;
  }

  private short(file: string): string {
    const path = relative(this.projectDirectory, file);
    return path.startsWith("..") ? file : path;
  }

  private refuse(complaint: Complaint): void {
    this.refused.add(new UserError(complaint).message);
  }
}
