// What belongs to a server beside it: floating address, port, security group and key pair. All have the machine's name.
import { cloudName, type LabelRules } from "../../../common/labels.ts";
import { waitFor } from "../../../provider/kit/wait.ts";
import { openstackLabels } from "../facts/labels.ts";
import { unlessMissing, type Region } from "./region.ts";
import { ApiError } from "./transport.ts";

/** In the order of removal: nothing is removed while something before it uses it. */
const kinds = ["floating address", "port", "security group", "key pair"] as const;

export type BelongingKind = (typeof kinds)[number];

/** One of them. */
export interface Belonging {
  kind: BelongingKind;
  /** Of a key pair, its name. */
  id: string;
  /** The machine's name. */
  name: string;
  /** UTC; undefined if the cloud doesn't say. */
  createdAt?: string;
  /** Of a port, the server that it is attached to. */
  device?: string;
}

const collections = {
  "floating address": { path: "floatingips", key: "floatingips", nameField: "description" },
  port: { path: "ports", key: "ports", nameField: "name" },
  "security group": { path: "security-groups", key: "security_groups", nameField: "name" },
} as const;

/** What OpenStack's client calls them. */
const clientNames: Record<BelongingKind, string> = {
  "floating address": "floating ip",
  port: "port",
  "security group": "security group",
  "key pair": "keypair",
};

/** Seconds until nothing uses a thing any more: Neutron forgets the ports of an ended server a little later. */
const releaseDeadline = 120;

/**
 * The project's things whose name fits, in the order of removal. Of key pairs, the list doesn't say when they were made.
 * @param machine Only those with this name; faster in a large project.
 */
export async function listBelongings(region: Region, machine?: string): Promise<Belonging[]> {
  const found = await Promise.all(
    kinds.map((kind) => (kind === "key pair" ? listKeyPairs(region) : listNetworkThings(region, kind, machine))),
  );
  // Nova can't filter key pairs, and Neutron ignores filters that it doesn't know: before 2016, those by description.
  return found.flat().filter(({ name }) => machine === undefined || name === machine);
}

async function listNetworkThings(
  region: Region,
  kind: keyof typeof collections,
  machine: string | undefined,
): Promise<Belonging[]> {
  type Listed = Record<string, string> & { id: string; created_at?: string; device_id?: string };
  const { path: collection, key, nameField } = collections[kind];
  const query = new URLSearchParams({
    project_id: await region.projectId(),
    ...(machine !== undefined && { [nameField]: machine }),
  });
  const path = `/${collection}?${query.toString()}`;
  // A cloud without routers has no floating addresses and answers 404.
  const answer = await unlessMissing(
    region.send<Record<string, Listed[]>>({ service: "network", method: "GET", path }),
  );
  return (answer?.[key] ?? []).map(({ id, created_at: createdAt, device_id: device, [nameField]: name = "" }) => ({
    ...{ kind, id, name },
    ...(createdAt !== undefined && { createdAt }),
    ...(device && { device }),
  }));
}

async function listKeyPairs(region: Region): Promise<Belonging[]> {
  type Listed = { keypairs: { keypair: { name: string } }[] };
  const { keypairs } = await region.send<Listed>({ service: "compute", method: "GET", path: "/os-keypairs" });
  return keypairs.map(({ keypair: { name } }) => ({ kind: "key pair", id: name, name }));
}

/** Removes one. No-op if it no longer exists. */
export async function removeBelonging(region: Region, { kind, id }: Pick<Belonging, "kind" | "id">): Promise<void> {
  if (kind === "key pair") return region.remove("compute", `/os-keypairs/${encodeURIComponent(id)}`);
  return region.remove("network", `/${collections[kind].path}/${id}`);
}

/**
 * Removes what belongs to machines whose servers are gone.
 * @param found Theirs, from {@link listBelongings}.
 */
export async function dropBelongings(region: Region, found: readonly Belonging[]): Promise<void> {
  const dropAll = async (kind: BelongingKind) => {
    await Promise.all(found.filter((each) => each.kind === kind).map((each) => dropReleased(region, each)));
  };
  const inOrder = async () => {
    for (const kind of kinds) if (kind !== "key pair") await dropAll(kind);
  };
  await Promise.all([inOrder(), dropAll("key pair")]);
}

/** Waits while Neutron says that the thing is in use. */
async function dropReleased(region: Region, { kind, id, name }: Belonging): Promise<void> {
  await waitFor(
    {
      what: `${kind} ${name} (${id})`,
      until: "to be released",
      deadline: releaseDeadline,
      lookAt: region.command(`${clientNames[kind]} show ${id}`),
      look: async () => {
        try {
          await removeBelonging(region, { kind, id });
          return { done: undefined };
        } catch (error) {
          if (error instanceof ApiError && error.status === 409) return { state: "in use" };
          throw error;
        }
      },
    },
    region.context,
  );
}

/** Recognizes the names of a lease's machines, whatever their last part: {@link machineName}. */
export function machineNamePattern(prefix: string): RegExp {
  const start = machineName(prefix, "000000").replace(/(-[0-9a-f]{8})?-000000$/, "");
  return new RegExp(`^${start.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}(-[0-9a-f]{8})?-[0-9a-f]{6}$`);
}

/**
 * Nova allows no dots in the names of key pairs before microversion 2.92, and the official provider asks for 2.1.
 * https://opendev.org/openstack/nova/src/branch/master/nova/api/validation/parameter_types.py
 */
const machineNames: LabelRules["names"] = { ...openstackLabels.names, forbidden: /[^A-Za-z0-9_-]/g };

/** The name of a lease's machine, and of what belongs to it. */
export function machineName(prefix: string, suffix: string): string {
  return cloudName({ ...openstackLabels, names: machineNames }, prefix, suffix);
}

/** A part of a machine's name: `ubuntu22-04`. */
export function inMachineName(text: string): string {
  return text.replaceAll(machineNames.forbidden, "-");
}
