// Checks a bake on an OpenStack before it is declared: flavor, networks, key, and quota for one more server.
import ssh2 from "ssh2";
import { UserError } from "../../../../common/user-error.ts";
import { nearest } from "../../../../common/nearest.ts";
import { findImage, type Image } from "../images.ts";
import { Region } from "../region.ts";
import type { AnswerOf, InputsOf } from "../../../../common/contract.ts";
import * as contract from "../../contract.ts";
import { answer } from "../../../../provider/resource.ts";

type PreflightInputs = InputsOf<typeof contract.preflight>;
type Preflight = AnswerOf<typeof contract.preflight>;
type Reached = Preflight["reached"];

const usualSection = "rackspace";

interface Flavor {
  id: string;
  name: string;
  /** GiB; 0 for a flavor that only boots from volumes. */
  disk: number;
  vcpus: number;
  /** MiB. */
  ram: number;
}

interface Network {
  id: string;
  name: string;
  "router:external"?: boolean;
}

export const preflight = answer(contract.preflight, async (inputs, context) => {
  const region = new Region(inputs.region, context);
  const [flavor, networks, hasKeyPair] = await Promise.all([
    findFlavor(region, inputs),
    findNetworks(region, inputs),
    checkKeyPair(region, inputs),
  ]);
  if (!inputs.occupied) await checkRoom(region, flavor);
  return { flavor: flavor.id, ...networks, hasKeyPair, reached: await findReached(region, networks) };
});

async function findFlavor(
  region: Region,
  { flavor: wanted, volumeSize, base, section = usualSection }: PreflightInputs,
): Promise<Flavor> {
  const { flavors } = await region.send<{ flavors: Flavor[] }>({
    service: "compute",
    method: "GET",
    path: "/flavors/detail",
  });
  const setting = { where: `region ${region.name}`, key: `ci-images:${section}.flavor` };
  const names = flavors.map(({ name }) => name);
  const allowed = names.join(", ");
  if (wanted === undefined) {
    throw new UserError({
      ...setting,
      found: "not set",
      allowed,
      cure: `pulumi config set --path ci-images:${section}.flavor NAME`,
    });
  }
  const flavor = flavors.find(({ id, name }) => name === wanted || id === wanted);
  if (!flavor) {
    const near = nearest(wanted, names);
    throw new UserError({
      ...setting,
      found: `there is no flavor "${wanted}"`,
      allowed,
      cure: near && `did you mean "${near}"?`,
    });
  }
  const image = base === undefined ? undefined : await baseImage(region, base);
  const disk = volumeSize ?? flavor.disk;
  if (disk === 0) {
    const cure = `set ci-images:${section}.volume.size, or use a flavor with a disk`;
    throw new UserError({ ...setting, found: `flavor "${flavor.name}" has no disk of its own`, cure });
  }
  if ((image?.min_disk ?? 0) > disk) {
    const found = `${disk} GiB of disk, but the base image needs ${image!.min_disk}`;
    throw new UserError({
      ...setting,
      found,
      cure: `use a larger flavor, or a larger ci-images:${section}.volume.size`,
    });
  }
  if (Number(image?.min_ram ?? 0) > flavor.ram) {
    const found = `flavor "${flavor.name}" has ${flavor.ram} MiB of memory, but the base image needs ${Number(image!.min_ram)}`;
    throw new UserError({ ...setting, found, cure: "use a larger flavor" });
  }
  return flavor;
}

/** Looks up the base image: a pinned one has not been looked up in this run. */
async function baseImage(region: Region, id: string): Promise<Image> {
  const image = await findImage(region, id);
  if (image?.status === "active") return image;
  throw new UserError({
    where: `base image ${id} in region ${region.name}`,
    found: image ? `is ${image.status}` : "is gone",
    cure: "set ci-images:base to latest, to use the newest image",
  });
}

async function findNetworks(
  region: Region,
  { networks: wanted, floatingNetwork, section = usualSection }: PreflightInputs,
) {
  const { networks } = await region.send<{ networks: Network[] }>({
    service: "network",
    method: "GET",
    path: "/networks",
  });
  const find = (key: string, name: string, possible: Network[]) => {
    const fitting = possible.filter((each) => each.id === name || each.name === name);
    if (fitting.length === 1) return { id: fitting[0].id, name: fitting[0].name };
    const near = nearest(
      name,
      possible.map((each) => each.name),
    );
    throw new UserError({
      where: `region ${region.name}`,
      key: `ci-images:${section}.${key}`,
      found: fitting.length > 1 ? `there are ${fitting.length} networks "${name}"` : `there is no network "${name}"`,
      allowed: possible.map((each) => `${each.name} (${each.id})`).join(", ") || "(this project sees none)",
      cure: near && fitting.length === 0 ? `did you mean "${near}"?` : undefined,
    });
  };
  const inside = networks.filter((each) => !each["router:external"]);
  // Nova attaches the only network by itself, but won't choose among several.
  if (wanted.length === 0 && inside.length > 1) {
    throw new UserError({
      where: `region ${region.name}`,
      key: `ci-images:${section}.networks`,
      found: `not set, and there are ${inside.length} networks`,
      allowed: inside.map(({ name }) => name).join(", "),
    });
  }
  const chosen =
    wanted.length === 0
      ? inside.map(({ id, name }) => ({ id, name }))
      : wanted.map((name) => find("networks", name, networks));
  if (floatingNetwork === undefined) return { networks: chosen };
  const outside = networks.filter((each) => each["router:external"]);
  return { networks: chosen, floatingNetwork: find("floatingNetwork", floatingNetwork, outside) };
}

interface Subnet {
  cidr: string;
  ip_version: 4 | 6;
}

/** How machines are reached: by their floating address or the one in the first network; by IPv4 if there is one. */
async function findReached(
  region: Region,
  { networks, floatingNetwork }: Pick<Preflight, "networks" | "floatingNetwork">,
): Promise<Reached> {
  const { authUrl } = region.session.credentials;
  const cloudHost = new URL(authUrl).hostname.replace(/^\[|\]$/g, "");
  const id = floatingNetwork?.id ?? networks[0]?.id;
  if (id === undefined) return { family: 4, networks: [], cloudHost };
  const path = `/subnets?network_id=${encodeURIComponent(id)}`;
  const { subnets } = await region.send<{ subnets: Subnet[] }>({ service: "network", method: "GET", path });
  const family = floatingNetwork || subnets.length === 0 || subnets.some(({ ip_version }) => ip_version === 4) ? 4 : 6;
  const fitting = subnets.filter(({ ip_version }) => ip_version === family);
  return { family, networks: fitting.map(({ cidr }) => cidr), cloudHost };
}

async function checkKeyPair(
  region: Region,
  { keyPair: wanted, section = usualSection }: PreflightInputs,
): Promise<boolean> {
  if (!wanted) return false;
  const path = `/os-keypairs/${encodeURIComponent(wanted.name)}`;
  const found = await region.find<{ keypair: { public_key: string } }>("compute", path);
  if (!found) return false;
  if (keyData(found.keypair.public_key) === keyData(wanted.publicKey)) return true;
  const variable = section.toUpperCase();
  throw new UserError({
    where: `key pair "${wanted.name}" in region ${region.name} (environment variable ${variable}_KEY_PAIR)`,
    found: `holds a different key from ${variable}_PRIVATE_KEY_FILENAME`,
    cure: "name another key pair, or the private key that belongs to this one",
  });
}

function keyData(line: string): string {
  const parsed = ssh2.utils.parseKey(line);
  return parsed instanceof Error ? line.trim() : parsed.getPublicSSH().toString("base64");
}

/** Nova's limits: https://docs.openstack.org/api-ref/compute/#limits-limits. A maximum of -1 means unlimited. */
interface AbsoluteLimits {
  maxTotalInstances: number;
  totalInstancesUsed: number;
  maxTotalCores?: number;
  totalCoresUsed?: number;
  maxTotalRAMSize?: number;
  totalRAMUsed?: number;
}

/** Refuses if a quota leaves no room for one more server. */
async function checkRoom(region: Region, { vcpus, ram }: Flavor): Promise<void> {
  const found = await region.find<{ limits: { absolute: AbsoluteLimits } }>("compute", "/limits");
  if (!found) return;
  const limits = found.limits.absolute;
  const counted = [
    { what: "servers", most: limits.maxTotalInstances, used: limits.totalInstancesUsed, needed: 1 },
    { what: "processors (cores)", most: limits.maxTotalCores, used: limits.totalCoresUsed, needed: vcpus },
    { what: "MiB of memory (ram)", most: limits.maxTotalRAMSize, used: limits.totalRAMUsed, needed: ram },
  ];
  const short = counted.flatMap(({ what, most = -1, used = 0, needed }) => {
    if (most < 0 || used + needed <= most) return [];
    return [
      {
        where: `region ${region.name}`,
        found: `${used} of the quota of ${most} ${what} are in use, and a builder needs ${needed}`,
        cure: "remove servers, or ask for a larger quota; `./ci-images sweep` lists our leftovers",
      },
    ];
  });
  if (short.length > 0) throw new UserError(...short);
}
