// `status`: shows builders and images, and whether they are up to date.
import { costSoFar, type Cost } from "../../common/price.ts";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import { recipeOption } from "../recipe-choice.ts";
import { answers } from "../silent-builders.ts";
import type { PulumiFailure } from "../pulumi-command.ts";
import type { CommandStack } from "../stack.ts";
import type { Login, OutputImage, ExportedState } from "../exported-state.ts";
import { chosenWorkers } from "../worker-choice.ts";
import type { Call, Verb } from "../verb.ts";

/** A builder in the output of `--json`. */
interface BuilderStatus {
  worker: string;
  /** `sealed` and `retired`: its image was made, and the next `up` drops its records. */
  state: "running" | "off" | "not answering" | "sealed" | "retired";
  host: string;
  port: number;
  user: string;
  recipe: string;
  /** The last stage it completed, as of the last successful command. */
  stage?: string;
  /** How many of its modules came from a layer, if any did. */
  fromLayer?: number;
  /** When it was made, ISO 8601. */
  since: string;
  ageSeconds: number;
  /** When it ends itself, ISO 8601, if known. */
  endsAt?: string;
  /** The most it can have cost so far: nothing on this computer, else by the setting `pricePerHour`, if it is set. */
  cost?: Cost;
}

/** The names of an image's modules that came from a layer, and of those that ran. */
interface Layer {
  modules: string[];
  ran: string[];
}

/** An image in the output of `--json`: everything in the stack's outputs, and these facts. */
interface ImageStatus {
  place: string[];
  recipe: string;
  layer?: Layer;
  upToDate?: boolean;
  /** The recipes it was made on top of, nearest first. */
  ancestry: Ancestor[];
  [key: string]: unknown;
}

interface Ancestor {
  name: string;
  recipe: string;
}

/** The output of `--json`. */
interface Status {
  stack: string;
  cloud: string;
  stage: string;
  power: string;
  builders: BuilderStatus[];
  images: ImageStatus[];
  /** Whether `up` would leave all images unchanged; undefined at stage `none` and if the preview failed. */
  upToDate?: boolean;
  /** Whether the program refuses the recipe, the settings, or what the cloud says about them. */
  refused: boolean;
  /** Why the preview failed otherwise: a missing plugin, a wrong passphrase, a lock. */
  problem?: string;
  /** What `up` would do, and why. */
  why: string[];
}

export const status: Verb = {
  name: "status",
  summary: "shows builders and images: state, address, age, cost (if known), recipe, up to date or why not",
  options: [{ flags: "--json", what: "print JSON, and nothing else on standard output" }, recipeOption],
  examples: ["status", "status --json | jq .images"],
  async run({ session, options, output }) {
    const stack = await session.stack({ ...options, keepSettings: true });
    const found = await statusOf(stack, options, (failure) => {
      // After Ctrl-C the status would be wrong.
      if (session.interrupted.aborted) throw failure;
      if (!failure.wasReported) output.note(failure.message);
    });
    if (options.json) output.result(JSON.stringify(found, undefined, 2));
    else for (const line of describe(found)) output.result(line);
    return found.refused || found.problem !== undefined ? 1 : 0;
  },
};

/** @param onFailure Called if the preview fails. The rest of the status is still useful. */
async function statusOf(
  stack: CommandStack,
  options: Call["options"],
  onFailure: (failure: PulumiFailure) => void,
): Promise<Status> {
  const state = await stack.state();
  const isMeant = chosenWorkers(state, options, stack.name);
  const { name: cloud, isHere } = stack.facts;
  const stage = stack.settings.text("stage", "image");
  const pricePerHour = isHere ? undefined : stack.settings.text("pricePerHour", "");
  let failure: PulumiFailure | undefined;
  const preview = await stack.preview().catch((error: Error) => {
    if (error.name !== "PulumiFailure") throw error;
    failure = error as PulumiFailure;
    onFailure(failure);
    return undefined;
  });
  // At stage none the program does not read the recipe, and announces the images that exist.
  const recipes = stage === "none" ? undefined : preview?.recipes;
  const published = state.images.filter((each) => isMeant(state.workerOf(each)));
  const images = await Promise.all(
    published.map(async ({ place, image }) => {
      const now = recipes?.get(state.workerOf({ place }));
      const ancestry = await ancestryOf(state, image);
      const layer = state.layerOf(image.path);
      const more = { ancestry, ...(layer && { layer }) };
      return { place, ...image, ...more, upToDate: now === undefined ? undefined : now === image.recipe };
    }),
  );
  // Recipes that others are built on, and images that are baked here to be imported, are not outputs.
  const isThere = ([worker, recipe]: [string, string]) =>
    !isMeant(worker) ||
    state.isNoOutput(worker) ||
    published.some((each) => state.workerOf(each) === worker && each.image.recipe === recipe);
  const logins = state.logins.filter(({ worker }) => isMeant(worker));
  return {
    stack: stack.name,
    cloud,
    stage,
    power: stack.settings.text("power", "on"),
    builders: await Promise.all(logins.map((login) => builderStatus(login, state, pricePerHour))),
    images,
    upToDate: recipes && [...recipes].every(isThere),
    refused: failure?.isRefusal === true,
    ...(failure && !failure.isRefusal && { problem: failure.message }),
    why: preview
      ? preview.explanations.filter(({ worker }) => isMeant(worker)).map(({ text }) => text)
      : [`the preview ${failure?.isRefusal ? "was refused" : "failed"}, see above`],
  };
}

/** The recipes an image was made on top of: from its manifest, in a cloud from the stack's secret output `plans`. */
async function ancestryOf(state: ExportedState, { recipe, path }: OutputImage["image"]): Promise<Ancestor[]> {
  const named = ({ name, recipe }: Ancestor) => ({ name, recipe });
  if (path === undefined) {
    const { ancestorsOf } = await import("../../provision/plan/explain.ts");
    const plan = ((state.outputs.plans ?? {}) as Record<string, PlanDescription>)[recipe] as
      PlanDescription | undefined;
    return plan ? ancestorsOf(plan).map(named) : [];
  }
  const { findImage } = await import("../../components/local/provider/disk/image-store.ts");
  return (await findImage(path))?.manifest.ancestry ?? [];
}

/** @param pricePerHour Undefined if builders cost nothing; empty if the price is unknown. */
async function builderStatus(login: Login, state: ExportedState, pricePerHour?: string): Promise<BuilderStatus> {
  const { worker, host, port, user, recipe, power } = login;
  const lease = state.resources.find(({ urn }) => urn.endsWith(`::${worker}-${recipe.slice(0, 8)}-builder-lease`));
  const endsAt = lease?.outputs.deadline;
  // The lease is made just before the machine; the login is made when the machine answers.
  const created = lease?.created ?? login.created;
  const ageSeconds = Math.round((Date.now() - Date.parse(created)) / 1000);
  const staged = state.builders[worker];
  return {
    worker,
    state: state.endOf(login) ?? (power === "off" ? "off" : (await answers(login)) ? "running" : "not answering"),
    host,
    port,
    user,
    recipe,
    stage: staged?.recipe === recipe ? staged.stage : undefined,
    fromLayer: state.fromLayer(login) || undefined,
    since: created,
    ageSeconds,
    endsAt: typeof endsAt === "string" ? endsAt : undefined,
    cost: pricePerHour === undefined ? { amount: 0 } : costSoFar(pricePerHour, ageSeconds),
  };
}

function layerText(layer: Layer | undefined): string {
  if (!layer) return "";
  const { modules, ran } = layer;
  return `, ${ran.length} of ${modules.length + ran.length} modules ran, ${modules.length} from a layer`;
}

function ageText(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}

function costText(cost: Cost | undefined): string {
  if (!cost) return "cost unknown";
  return cost.currency === undefined ? "costs nothing" : `cost so far at most ${cost.amount} ${cost.currency}`;
}

/** One line per image, indented below the image it was made on top of. */
export function imageTree(images: readonly ImageStatus[]): string[] {
  const isAt = (place: readonly string[]) => (other: ImageStatus) => {
    return place.slice(0, -1).join(" ") === other.place.slice(0, -1).join(" ");
  };
  const parentOf = ({ place, ancestry }: ImageStatus) =>
    images.find((other) => other.recipe === ancestry[0]?.recipe && isAt(place)(other));
  const branch = (image: ImageStatus, indent: string): string[] => [
    `${indent}${imageText(image)}`,
    ...images.filter((each) => parentOf(each) === image).flatMap((each) => branch(each, `${indent}  `)),
  ];
  return images
    .filter((image) => !parentOf(image))
    .flatMap((image) => {
      // The images below are gone, or not outputs: name them here.
      const below = image.ancestry.map(({ name, recipe }) => `${name} ${recipe.slice(0, 8)}`).join(" on ");
      const [first, ...rest] = branch(image, "");
      return [below === "" ? first : `${first}, made on ${below}`, ...rest];
    });
}

function imageText({ place, recipe, builtAt, disk, id, layer, upToDate: isCurrent }: ImageStatus): string {
  const verdict = isCurrent === undefined ? "" : isCurrent ? ", up to date" : ", out of date";
  const where = [disk ?? id].filter((each) => typeof each === "string").join("");
  return `image ${place.join(" ")}: ${where}, recipe ${recipe.slice(0, 8)}, built ${String(builtAt)}${layerText(layer)}${verdict}`;
}

function describe({ stack, cloud, stage, power, builders, images, upToDate, why }: Status): string[] {
  const lines = [`stack ${stack} (${cloud}), stage ${stage}${power === "off" ? ", power off" : ""}`];
  for (const each of builders) {
    if (each.state === "retired" || each.state === "sealed") {
      const next = `\`./ci-images it\` ${each.state === "retired" ? "drops its records" : "makes its image"}`;
      lines.push(`builder ${each.worker}: ${each.state}, ${next}, recipe ${each.recipe.slice(0, 8)}`);
      continue;
    }
    const facts = [
      `${each.user}@${each.host} port ${each.port}`,
      `${ageText(each.ageSeconds)} old`,
      each.endsAt && `ends itself at ${each.endsAt}`,
      costText(each.cost),
      each.state === "not answering" && "`./ci-images up` starts it again, or makes a new one if it is gone",
      each.stage && `stage ${each.stage}`,
      each.fromLayer !== undefined && `${each.fromLayer} modules from a layer`,
      `recipe ${each.recipe.slice(0, 8)}`,
    ];
    lines.push(`builder ${each.worker}: ${[each.state, ...facts].filter(Boolean).join(", ")}`);
  }
  if (builders.length === 0) lines.push("no builder");
  lines.push(...imageTree(images));
  if (images.length === 0) lines.push("no image");
  return [...lines, ...(upToDate ? [] : why)];
}
