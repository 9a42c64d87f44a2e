// Reads a stack's state from `pulumi stack export`: builders and how to log in to them, images, outputs.
import type { automation } from "@pulumi/pulumi";
import type { InputsOf, ResourceContract, StateOf } from "../common/contract.ts";
import { isImageType, workerImageType, type WorkerNotes } from "../components/life-cycle/worker-inputs.ts";
import * as local from "../components/local/contract.ts";
import { Login as LoginContract } from "../components/shared/contract.ts";
import type { StagedBuilder } from "../components/stages.ts";
import { distributions } from "../provision/distributions.ts";

/** A resource in the state. */
export interface ResourceRecord {
  urn: string;
  type: string;
  id?: string;
  inputs?: Record<string, unknown>;
  outputs: Record<string, unknown>;
  /** When it was made, ISO 8601. */
  created?: string;
}

/** How to log in to a builder; see components/shared/contract.ts. */
export interface Login extends InputsOf<typeof LoginContract> {
  urn: string;
  /** ISO 8601. */
  created: string;
}

/**
 * An image of the stack's outputs, with its place: `["local", "debian12"]`, `["aws", "us-west-2", "rocky9"]`; if the
 * stack has several recipes, `["local", "docker-debian12"]`.
 */
export interface OutputImage {
  place: string[];
  image: { recipe: string; builtAt: string; id?: string; path?: string; disk?: string; bytes?: number };
}

/**
 * The key that marks a secret; its value follows as `plaintext`. A copy of the SDK's `specialSigKey`, because loading
 * the SDK would make every verb a tenth of a second slower.
 */
const secretKey = "4dabf18193072939515e22adb298388d";

/** A stack's state. */
export class ExportedState {
  readonly resources: readonly ResourceRecord[];
  /**
   * URNs of resources that a killed command was creating. The engine does not know whether they exist, and keeps these
   * records until it is asked to clear them.
   */
  readonly interrupted: readonly string[];

  constructor(deployment: automation.Deployment) {
    const { resources = [], pending_operations: pending } = (deployment.deployment ?? {}) as {
      resources?: Partial<ResourceRecord>[];
      pending_operations?: { type: string; resource: { urn: string } }[] | null;
    };
    this.interrupted = (pending ?? []).filter(({ type }) => type === "creating").map(({ resource }) => resource.urn);
    this.resources = resources.map((each) => ({ ...each, outputs: revealed(each.outputs ?? {}) }) as ResourceRecord);
  }

  /**
   * The recorded builders, one per worker image. If a bake of an edited recipe failed, there are two records, and only
   * the newer one counts: the previous machine was deleted when the new one was made.
   */
  get logins(): Login[] {
    const all = this.of(LoginContract).map(({ urn, outputs, created = "" }) => ({ urn, created, ...outputs }));
    all.sort((one, other) => Date.parse(one.created) - Date.parse(other.created));
    return [...new Map(all.map((login) => [login.worker, login])).values()];
  }

  /**
   * How a recorded builder ended in the `up` that made its image: `retired` if it is gone, `sealed` if it no longer
   * accepts logins; undefined if it can still be used. The next `up` drops the records.
   */
  endOf({ worker, recipe }: Pick<Login, "worker" | "recipe">): "sealed" | "retired" | undefined {
    // A module of that name has a Command of the same name.
    const has = (rest: string) =>
      this.resources.some(
        ({ urn, type }) =>
          type !== "command:remote:Command" && urn.endsWith(`::${worker}-${recipe.slice(0, 8)}-${rest}`),
      );
    return has("retirement") ? "retired" : has("sealing") ? "sealed" : undefined;
  }

  /** The recorded builders that can still be used. */
  get openBuilders(): Login[] {
    return this.logins.filter((login) => this.endOf(login) === undefined);
  }

  /** Whether the state is of a version that knew only one recipe per stack. */
  get namesNoRecipes(): boolean {
    return this.workers.length > 0 && this.workers.every(({ recipeName }) => recipeName === undefined);
  }

  /** The stack's outputs after its last successful command. */
  get outputs(): Record<string, unknown> {
    return this.ofType("pulumi:pulumi:Stack")[0]?.outputs ?? {};
  }

  /** The stages of the builders, by worker image. */
  get builders(): Record<string, StagedBuilder> {
    return (this.outputs.builders ?? {}) as Record<string, StagedBuilder>;
  }

  /** The proven images. */
  get images(): OutputImage[] {
    return imagesOf(this.outputs.images ?? {}, []);
  }

  /** The recipes' names, by worker image. Empty in states of versions that knew only one recipe per stack. */
  get recipeOf(): Record<string, string> {
    return Object.fromEntries(
      this.workers.flatMap(({ name, recipeName }) => (recipeName === undefined ? [] : [[name, recipeName] as const])),
    );
  }

  /** The names of the worker images that have images, proven or not, or a builder. */
  get present(): string[] {
    const images = this.resources.filter(({ type }) => isImageType(type)).map(({ urn }) => workerOfName(urn)?.worker);
    const builders = this.openBuilders.map(({ worker }) => worker);
    return this.workers.map(({ name }) => name).filter((name) => [...images, ...builders].includes(name));
  }

  /** The id of a worker image's distribution. */
  distributionOf(worker: string): string | undefined {
    const record = this.ofType(workerImageType).find(({ urn }) => urn.endsWith(`::${worker}`));
    const noted = record?.inputs?.distribution;
    if (typeof noted === "string") return noted;
    // Worker images that only keep old images may lack inputs. The distribution is a part of the name, after the place.
    const at = (id: string) => `-${worker}-`.indexOf(`-${id}-`);
    const fitting = distributions.map(({ id }) => id).filter((id) => at(id) >= 0);
    return fitting.sort((one, other) => at(one) - at(other))[0];
  }

  /** Whether a worker image is not an output: other recipes are built on it, or it is baked here to be imported. */
  isNoOutput(worker: string): boolean {
    const found = this.workers.find(({ name }) => name === worker);
    return found?.recipeName !== undefined && found.outputKey === undefined;
  }

  /** The name of an output's worker image; with several regions it begins with the place. */
  workerOf({ place }: Pick<OutputImage, "place">): string {
    const key = place.at(-1)!;
    const noted = this.workers.filter(({ outputKey }) => outputKey === key);
    const own = noted.find(({ name }) => name.startsWith(`${place.at(-2)}-`)) ?? noted[0];
    if (own) return own.name;
    // States of older versions lack the output key: it is the worker image's name, with or without the place.
    const withPlace = place.slice(-2).join("-");
    return this.workers.some(({ name }) => name === withPlace) ? withPlace : key;
  }

  /** The URNs of the acceptance tests on the builder. */
  get tests(): string[] {
    return this.ofType("command:remote:Command")
      .map(({ urn }) => urn)
      .filter((urn) => /-[0-9a-f]{8}-tests$/.test(urn));
  }

  /** The folders and worker images of the state's images on this computer, proven or not. */
  get folders(): { path: string; worker: string }[] {
    return this.of(local.Image).map(({ urn, outputs: { path } }) => ({ path, worker: workerOfName(urn)!.worker }));
  }

  /** The state's cloud images, including copies, proven or not. */
  get cloudImages(): ResourceRecord[] {
    return this.resources.filter(({ type }) => isImageType(type) && !type.startsWith("ci-images:local:"));
  }

  /** Which modules of the image in this folder came from a layer, and which ran. Undefined if no layer was used. */
  layerOf(path: string | undefined): { modules: string[]; ran: string[] } | undefined {
    return this.of(local.Image).find(({ outputs }) => outputs.path === path)?.outputs.layer;
  }

  /** How many modules of a builder came from a layer. */
  fromLayer({ worker, recipe }: Pick<Login, "worker" | "recipe">): number {
    const name = `${worker}-${recipe.slice(0, 8)}-builder`;
    return this.of(local.Builder).find(({ urn }) => urn.endsWith(`::${name}`))?.outputs.fromLayer ?? 0;
  }

  /** The worker images with their notes, which states of older versions lack. */
  private get workers(): (Partial<WorkerNotes> & { name: string })[] {
    return this.ofType(workerImageType).map(({ urn, outputs }) => ({ ...outputs, name: urn.split("::").at(-1)! }));
  }

  /** The resources of one of our own types. */
  private of<C extends ResourceContract>({ token }: C): (ResourceRecord & { outputs: StateOf<C> })[] {
    return this.ofType(token) as (ResourceRecord & { outputs: StateOf<C> })[];
  }

  /** The resources of a type. */
  ofType(type: string): ResourceRecord[] {
    return this.resources.filter((each) => each.type === type);
  }
}

/**
 * Parses a logical name: `debian12-1a2b3c4d-nginx` is nginx for debian12 and the recipe hash that begins with 1a2b3c4d.
 * @param urn A URN, or the name alone.
 * @returns undefined for a resource that belongs to no image.
 */
export function workerOfName(urn: string): { worker: string; recipe: string; rest: string } | undefined {
  const [, worker, recipe, rest = ""] = /^(.+?)-([0-9a-f]{8})(?:-(.+))?$/.exec(urn.split("::").at(-1)!) ?? [];
  return worker === undefined ? undefined : { worker, recipe, rest };
}

/** Lists the images in a tree of places. An object with a recipe is an image. */
function imagesOf(tree: object, place: string[]): OutputImage[] {
  return Object.entries(tree).flatMap(([name, value]: [string, object]) =>
    "recipe" in value
      ? [{ place: [...place, name], image: value as unknown as OutputImage["image"] }]
      : imagesOf(value, [...place, name]),
  );
}

/** The value with its secrets in clear text, at any depth. */
function revealed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(revealed) as T;
  if (value === null || typeof value !== "object") return value;
  if (secretKey in value) return JSON.parse((value as unknown as { plaintext: string }).plaintext) as T;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, revealed(part as unknown)])) as T;
}
