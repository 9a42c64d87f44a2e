// Everything that a stack of ours has in an account, whatever its expiry and the state.
import { findCloud } from "../../components/clouds.ts";
import { functions } from "../../provider/registry.ts";
import type { Context, FunctionType } from "../../provider/resource.ts";

/** Whose resources to look for. */
export interface Owner {
  /** Pulumi's project. */
  project: string;
  stack: string;
}

interface Leftover {
  kind: string;
  id?: string;
  name?: string;
  description?: string;
  problem?: string;
}

/** A time by which all machines and what belongs to them have expired. */
const longAfter = 10 * 365 * 24 * 3600 * 1000;

const context: Context = { progress: () => {}, signal: new AbortController().signal };

function ask<T>(cloud: string, name: string, inputs: object): Promise<T> {
  const { plugin } = findCloud(cloud);
  const called = (functions as readonly FunctionType<object, object>[]).find(
    ({ token }) => token === `ci-images:${plugin}:${name}`,
  );
  if (!called) throw new Error(`our provider has no function ci-images:${plugin}:${name}`);
  return called.call(inputs, context) as Promise<T>;
}

/**
 * Finds everything with the stack's labels: machines with what belongs to them, and images, proven or not.
 * @param own The cloud's own settings.
 * @param remove Removes what it finds, except proven images, which the state removes.
 * @returns one line for each; empty if there is nothing.
 */
export async function findLeftovers(
  cloud: string,
  own: Record<string, unknown>,
  owner: Owner,
  distribution: string,
  remove = false,
): Promise<string[]> {
  const places = await findCloud(cloud).placesToLookIn(own, (name, inputs) => ask(cloud, name, inputs));
  const inputs = { ...places, ...owner, lifetime: 0, remove, now: new Date(Date.now() + longAfter).toISOString() };
  const { leftovers } = await ask<{ leftovers: Leftover[] }>(cloud, "sweep", inputs);
  const swept = leftovers.map(({ kind, id, name = id, description = "", problem }) =>
    [kind, name, description, problem && `(not removed: ${problem})`].filter(Boolean).join(" "),
  );
  return [...swept, ...(await images(cloud, places, { ...owner, distribution }))];
}

async function images(cloud: string, places: object, owner: Owner & { distribution: string }): Promise<string[]> {
  type Surveyed = { generations?: { location: string }[]; images?: { image?: string; id?: string }[] };
  const named = ({ generations = [], images = [] }: Surveyed) => [
    ...generations.map(({ location }) => `image ${location}`),
    ...images.map(({ image, id = image }) => `image ${id}`),
  ];
  if (cloud === "gce") {
    const { project } = await ask<{ project: string }>(cloud, "account", projectOf(places));
    return named(await ask<Surveyed>(cloud, "survey", { project, owner }));
  }
  const { regions } = places as { regions: string[] };
  const copyTo: string[] = [];
  return (
    await Promise.all(regions.map(async (region) => named(await ask(cloud, "survey", { region, copyTo, ...owner }))))
  ).flat();
}

function projectOf(places: { place?: string }): object {
  return places.place === undefined ? {} : { project: places.place };
}
