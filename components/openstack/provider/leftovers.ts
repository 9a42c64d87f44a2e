// What machines of ours left in a region, past the time at which they should have ended. For the sweep: by then no lease and
// no state may know of them any more.
import { labelKey, parseExpiry } from "../../../common/labels.ts";
import { openstackLabels } from "../facts/labels.ts";
import { distributions } from "../../../provision/distributions.ts";
import { dropImage, imagesWith, isProven } from "./images.ts";
import type { Region } from "./region.ts";
import { endServer, listServers, serversWith, type Server } from "./servers.ts";

/** Whose leftovers. */
export interface Owner {
  project: string;
  stack: string;
}

export type LeftoverKind = "server" | "image" | "key pair" | "floating address" | "port" | "security group";

/** Something of ours that nobody needs any more. */
export interface Leftover {
  kind: LeftoverKind;
  /** A key pair's name is its id. */
  id: string;
  name: string;
  /** When it should have ended, ISO 8601. */
  expired: string;
}

interface Named {
  id: string;
  name?: string;
  description?: string;
  created_at?: string;
  /** Of a floating address. */
  port_id?: string | null;
  /** Of a port: what it is plugged into. */
  device_id?: string;
}

/**
 * Finds leftovers, those first that have to go first. Servers and images say themselves when they expire; what belongs to a
 * machine is recognized by its name, and has expired with its server; where no server is left that has to do with it, when it is older than
 * a machine may get. Volumes say nothing of us: those of a
 * server go with it, and are not looked for.
 * @param lifetime Seconds that a machine of the stack may live.
 */
export async function findLeftovers(
  region: Region,
  owner: Owner,
  lifetime: number,
  now = new Date(),
): Promise<Leftover[]> {
  const [servers, images] = await Promise.all([
    serversWith(region, owner),
    imagesWith(region, { ...owner, role: "image" }),
  ]);
  const expiresKey = labelKey(openstackLabels, "expires");
  const past = (kind: LeftoverKind, id: string, name: string, expires: unknown): Leftover[] => {
    const expiry = typeof expires === "string" ? parseExpiry(expires) : undefined;
    return expiry && expiry < now ? [{ kind, id, name, expired: expiry.toISOString() }] : [];
  };
  const expired = servers.flatMap(({ id, name, metadata }) => past("server", id, name, metadata[expiresKey]));
  return [
    ...expired,
    ...images
      .filter((image) => !isProven(image))
      .flatMap((image) => past("image", image.id, image.name, image[expiresKey])),
    ...(await belongings(region, owner, expired, lifetime, now)),
  ];
}

/** Removes one; content when it is gone. */
export async function removeLeftover(region: Region, { kind, id }: Leftover): Promise<void> {
  if (kind === "server") return endServer(region, id);
  if (kind === "image") return dropImage(region, id);
  if (kind === "key pair") return region.remove("compute", `/os-keypairs/${encodeURIComponent(id)}`);
  const collections = { "floating address": "floatingips", port: "ports", "security group": "security-groups" };
  return region.remove("network", `/${collections[kind]}/${id}`);
}

/** @param ending Servers that are leftovers themselves. */
async function belongings(
  region: Region,
  { project, stack }: Owner,
  ending: readonly Leftover[],
  lifetime: number,
  now: Date,
): Promise<Leftover[]> {
  const beginning = `${project}-${stack}-`;
  const servers = await listServers(region);
  const old = (kind: LeftoverKind, { id, created_at }: Named, name: string): Leftover[] => {
    const isOurs = name.startsWith(beginning) && isMachineName(name.slice(beginning.length), region.name);
    if (!isOurs) return [];
    const users = servers.filter((server) => uses(server, name));
    const last = ending.find((each) => users.some((server) => server.id === each.id));
    if (last && users.length === 1) return [{ kind, id, name, expired: last.expired }];
    // A cloud that does not say when something was made leaves the judgement to people.
    if (created_at === undefined || users.length > 0) return [];
    const expiry = new Date(utc(created_at) + lifetime * 1000);
    return expiry < now ? [{ kind, id, name, expired: expiry.toISOString() }] : [];
  };
  const project_id = await region.projectId();
  const list = async (collection: string, key: string) => {
    const path = `/${collection}?project_id=${encodeURIComponent(project_id)}`;
    const answer = await region.send<Record<string, Named[]>>({ service: "network", method: "GET", path });
    return answer[key];
  };
  const [addresses, ports, groups, pairs] = await Promise.all([
    list("floatingips", "floatingips"),
    list("ports", "ports"),
    list("security-groups", "security_groups"),
    keyPairs(region, beginning),
  ]);
  return [
    ...addresses.flatMap((each) => old("floating address", each, each.description ?? "")),
    ...ports
      .filter(({ device_id }) => !device_id || ending.some(({ id }) => id === device_id))
      .flatMap((each) => old("port", each, each.name ?? "")),
    ...groups.flatMap((each) => old("security group", each, each.name ?? "")),
    ...pairs.flatMap((each) => old("key pair", each, each.id)),
  ];
}

/**
 * Whether this is what follows project and stack in a name: the region (where the stack has several), distribution, recipe,
 * role and digits. Nothing less strict: what begins with the name of stack `ci` may belong to stack `ci-next`.
 */
function isMachineName(rest: string, region: string): boolean {
  const plain = rest.startsWith(`${region}-`) ? rest.slice(region.length + 1) : rest;
  const found = /^(.+)-[0-9a-f]{8}-(builder|trial)-[0-9a-f]{6}$/.exec(plain);
  return found !== null && distributions.some(({ id }) => id === found[1]);
}

/** A server's key pair and security group have the same name, and so have its port and address. */
function uses({ key_name, security_groups }: Server, name: string): boolean {
  return key_name === name || (security_groups ?? []).some((group) => group.name === name);
}

/** The list does not say when a key pair was made. */
async function keyPairs(region: Region, beginning: string): Promise<Named[]> {
  type Listed = { keypairs: { keypair: { name: string } }[] };
  const { keypairs } = await region.send<Listed>({ service: "compute", method: "GET", path: "/os-keypairs" });
  const names = keypairs.map(({ keypair }) => keypair.name).filter((name) => name.startsWith(beginning));
  const found = await Promise.all(
    names.map(async (name) => {
      const path = `/os-keypairs/${encodeURIComponent(name)}`;
      const answer = await region.find<{ keypair: { created_at?: string } }>("compute", path);
      return answer ? [{ id: name, created_at: answer.keypair.created_at }] : [];
    }),
  );
  return found.flat();
}

/** Nova's times have no zone, and are in UTC. */
function utc(time: string): number {
  return Date.parse(/Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
}
