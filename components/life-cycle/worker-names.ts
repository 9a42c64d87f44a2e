// Names of worker images. Logical names begin with them and never change, so a stack that gains or loses a recipe keeps
// its images. The name is `debian12` for a stack's only recipe, and `debian12-docker` if there are several.
import type { Distribution } from "../../provision/module.ts";
import type { Generation, Place } from "../cloud.ts";
import type { StackState } from "./stack-state.ts";
import { workerImageType } from "./worker-inputs.ts";

/**
 * The name without the recipe: `debian12`, or `ORD-debian12` if the stack has several places. A place keeps the name
 * that the state has for it when the stack gains or loses others: under another name, its images would be declared as
 * new ones, and deleted with the old ones.
 */
export function plainName(places: readonly Place[], { place }: Place, { id }: Distribution, state: StackState): string {
  const long = `${place}-${id}`;
  const hasShort = (each: Place) => isIn(state, id, each.place) && !isIn(state, `${each.place}-${id}`, each.place);
  if (places.length > 1) return places.find(hasShort)?.place === place ? id : long;
  return isIn(state, long, place) && !isIn(state, id, place) ? long : id;
}

/** Whether the state has resources of this plain name in this place. */
function isIn(state: StackState, plain: string, place: string | undefined): boolean {
  return state.placesOf((name) => name.startsWith(`${plain}-`)).has(place);
}

/** The same for a bake on this computer that is imported into the stack's places. */
export function localName({ id }: Distribution): string {
  return `local-${id}`;
}

/** Whether a logical name begins with {@link localName}. */
export function isBakedToImport(name: string): boolean {
  return name.startsWith("local-");
}

/** The prefix of the logical names of everything declared for an image. */
export function prefixOf(worker: string, recipe: string): string {
  return `${worker}-${recipe.slice(0, 8)}`;
}

/** The worker images of one distribution in one place. */
export class WorkerNames {
  /** The names in the state. */
  readonly all: readonly string[];

  /**
   * @param plain From {@link plainName}.
   * @param recipes The names of all recipes of the stack.
   * @param generations All images of the stack and distribution in the place, newest first.
   */
  constructor(
    private readonly state: StackState,
    private readonly plain: string,
    private readonly recipes: readonly string[],
    private readonly generations: readonly Generation[],
  ) {
    this.all = state.namesOf(workerImageType).filter((name) => name === plain || name.startsWith(`${plain}-`));
  }

  /**
   * The name of a recipe's worker image.
   * @param isOnly True when the stack lists this recipe and no other.
   */
  nameOf(recipe: string, isOnly: boolean): string {
    const own = this.all.find((worker) => this.recipeOf(worker) === recipe);
    if (own !== undefined) return own;
    if (!isOnly) return this.free(`${this.plain}-${recipe}`);
    // The recipe replaces one that the stack no longer has.
    const free = this.all.filter((worker) => !this.recipes.includes(this.recipeOf(worker) ?? ""));
    if (free.length === 1) return free[0];
    return this.all.includes(this.plain) ? this.free(`${this.plain}-${recipe}`) : this.plain;
  }

  /** The name if no other recipe of the stack has it; else with `-2`, `-3` and so on. */
  private free(name: string): string {
    const isTaken = (each: string) => this.all.includes(each) && this.recipes.includes(this.recipeOf(each) ?? "");
    for (let attempt = 1; ; attempt++) {
      const tried = attempt === 1 ? name : `${name}-${attempt}`;
      if (!isTaken(tried)) return tried;
    }
  }

  /** The label of a worker image's machines; undefined if it is named after its distribution alone. */
  labelOf(worker: string): string | undefined {
    return worker === this.plain ? undefined : worker;
  }

  /**
   * The images of a worker image, according to the state. Images that are not in the state are recognized by their
   * recipe's name.
   * @param isOnly As in {@link nameOf}.
   */
  generationsOf(worker: string, recipe: string, isOnly: boolean): Generation[] {
    return this.generations.filter((generation) => {
      const owners = this.all.filter((each) => this.hasImage(each, generation));
      if (owners.length === 1) return owners[0] === worker;
      if (generation.name === recipe) return true;
      return owners.length === 0 && isOnly && !this.recipes.includes(generation.name);
    });
  }

  /** The name of a worker image's recipe. In states of older versions only the newest image has it. */
  private recipeOf(worker: string): string | undefined {
    const noted = this.state.outputsOf(workerImageType, worker)?.recipeName as string | undefined;
    return noted ?? this.generations.find((each) => this.hasImage(worker, each))?.name;
  }

  private hasImage(worker: string, { recipe }: Generation): boolean {
    return this.state.hasName(prefixOf(worker, recipe));
  }
}
