// Finds and removes our expired leftovers in a region, by metadata and names and without the state.
import { labelKey, parseExpiry } from "../../../common/labels.ts";
import type { AnswerOf, InputsOf } from "../../../common/contract.ts";
import type { sweep } from "../contract.ts";
import { openstackLabels } from "../facts/labels.ts";
import { inMachineName, listBelongings, removeBelonging, type Belonging } from "./belongings.ts";
import { distributions } from "../../../provision/distributions.ts";
import { dropImage, imagesWith, isProven } from "./images.ts";
import type { Region } from "./region.ts";
import { endServer, listServers, serversWith, type Server } from "./servers.ts";

type Owner = Pick<InputsOf<typeof sweep>, "project" | "stack">;
type Leftover = Omit<AnswerOf<typeof sweep>["leftovers"][number], "region">;
type LeftoverKind = Leftover["kind"];

/**
 * Finds leftovers, in the order of removal. Servers and images have their expiry in their metadata. A machine's other
 * belongings are recognized by name. They expire with their server or, if that is gone, once they are older than the
 * longest lifetime. Volumes have no labels: they are deleted with their server and not searched for.
 * @param lifetime The longest lifetime of the stack's machines, in seconds.
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

/** Removes a leftover. No-op if it no longer exists. */
export async function removeLeftover(region: Region, { kind, id }: Leftover): Promise<void> {
  if (kind === "server") return endServer(region, id);
  if (kind === "image") return dropImage(region, id);
  return removeBelonging(region, { kind, id });
}

/** Finds expired belongings of machines. @param ending Servers that are leftovers themselves. */
async function belongings(
  region: Region,
  { project, stack }: Owner,
  ending: readonly Leftover[],
  lifetime: number,
  now: Date,
): Promise<Leftover[]> {
  const beginning = inMachineName(`${project}-${stack}-`);
  const servers = await listServers(region);
  const isOurs = ({ name, device }: Belonging): boolean => {
    // Older versions left dots in names.
    const plain = inMachineName(name);
    return (
      plain.startsWith(beginning) &&
      isMachineName(plain.slice(beginning.length), inMachineName(region.name)) &&
      (device === undefined || ending.some(({ id }) => id === device))
    );
  };
  const old = async (belonging: Belonging): Promise<Leftover[]> => {
    const { kind, id, name } = belonging;
    const users = servers.filter((server) => uses(server, name));
    const last = ending.find((each) => users.some((server) => server.id === each.id));
    if (last && users.length === 1) return [{ kind, id, name, expired: last.expired }];
    if (users.length > 0) return [];
    const createdAt = await madeAt(region, belonging);
    // If the cloud doesn't say when it was made, people have to judge.
    if (createdAt === undefined) return [];
    const expiry = new Date(utc(createdAt) + lifetime * 1000);
    return expiry < now ? [{ kind, id, name, expired: expiry.toISOString() }] : [];
  };
  const found = (await listBelongings(region)).filter(isOurs);
  return (await Promise.all(found.map(old))).flat();
}

/** The distributions' ids in the names of machines. */
const distributionNames = distributions.map(({ id }) => inMachineName(id));

/**
 * Whether a name continues like a machine's after project and stack: region (if the stack has several), distribution,
 * recipe's name (if the stack has several), recipe hash, role, a digest if it was shortened or changed, and digits.
 * Strict, because a name that starts like those of stack `ci` may belong to stack `ci-next`.
 */
function isMachineName(rest: string, region: string): boolean {
  const plain = rest.startsWith(`${region}-`) ? rest.slice(region.length + 1) : rest;
  const found = /^(.+)-[0-9a-f]{8}-(builder|trial)(-[0-9a-f]{8})?-[0-9a-f]{6}$/.exec(plain);
  return found !== null && distributionNames.some((name) => name === found[1] || found[1].startsWith(`${name}-`));
}

/** Whether the server uses the key pair or security group of that name. Its port and address have the same name. */
function uses({ key_name, security_groups }: Server, name: string): boolean {
  return key_name === name || (security_groups ?? []).some((group) => group.name === name);
}

/** When it was made; the list doesn't say that of key pairs. */
async function madeAt(region: Region, { kind, id, createdAt }: Belonging): Promise<string | undefined> {
  if (kind !== "key pair") return createdAt;
  const path = `/os-keypairs/${encodeURIComponent(id)}`;
  return (await region.find<{ keypair: { created_at?: string } }>("compute", path))?.keypair.created_at;
}

/** Nova's times have no zone; they are UTC. */
function utc(time: string): number {
  return Date.parse(/Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
}
