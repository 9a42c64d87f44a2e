// The fake Neutron and Cinder: networks, ports, security groups, floating addresses, volumes.
import { randomUUID } from "node:crypto";
import { existing, Refused, type Answer, type Call, type Route } from "./http.ts";
import { checkNewNetworkThing } from "./rules.ts";

export const networkRoutes: Route[] = [
  ["GET", /^\/([a-z-]+)$/, list],
  ["POST", /^\/([a-z-]+)$/, create],
  ["GET", /^\/([a-z-]+)\/([^/]+)$/, show],
  ["PUT", /^\/([a-z-]+)\/([^/]+)$/, change],
  ["DELETE", /^\/([a-z-]+)\/([^/]+)$/, remove],
];

export const volumeRoutes: Route[] = [
  ["GET", /^\/volumes\/([^/]+)$/, (call, id) => answer({ volume: existing(call.region.volumes, id, "Volume") })],
  ["DELETE", /^\/volumes\/([^/]+)$/, deleteVolume],
  ["GET", /^\/snapshots\/detail$/, listSnapshots],
  [
    "GET",
    /^\/snapshots\/([^/]+)$/,
    (call, id) => answer({ snapshot: existing(call.region.snapshots, id, "Snapshot") }),
  ],
  ["DELETE", /^\/snapshots\/([^/]+)$/, deleteSnapshot],
];

function answer(body: unknown): Answer {
  return { status: 200, body };
}

/** In bodies, the collection `security-groups` is `security_groups`, and a single one is `security_group`. */
function many(collection: string): string {
  return collection.replaceAll("-", "_");
}
function one(collection: string): string {
  return many(collection).replace(/s$/, "");
}

function list({ region, query }: Call, collection: string): Answer {
  const filters = [...query].filter(([key]) => !region.faults.unknownFilters.includes(key));
  const found = [...region.collection(collection).values()].filter((thing) =>
    filters.every(([key, value]) => String(thing[key]) === value),
  );
  return answer({ [many(collection)]: found });
}

function create({ region, body, project }: Call, collection: string): Answer {
  const wanted = (body as Record<string, Record<string, unknown>>)[one(collection)];
  if (wanted === undefined) throw new Refused(400, `Body is missing ${one(collection)}`);
  if (collection === "ports" || collection === "floatingips") {
    const key = collection === "ports" ? "network_id" : "floating_network_id";
    existing(region.collection("networks"), String(wanted[key]), "Network");
  }
  checkNewNetworkThing(region, collection, wanted);
  const id = randomUUID();
  const own: Record<string, object> = {
    floatingips: { floating_ip_address: nextFloating(), status: "DOWN" },
    // The official provider waits for a status.
    ports: { status: "DOWN", fixed_ips: [], mac_address: "fa:16:3e:00:00:01" },
  };
  const created_at = new Date().toISOString();
  const thing = { id, created_at, project_id: project, tenant_id: project, ...own[collection], ...wanted };
  region.collection(collection).set(id, thing);
  return { status: 201, body: { [one(collection)]: thing } };
}

let floating = 0;

/** A new loopback address, so that the test cloud can relay it. */
function nextFloating(): string {
  floating += 1;
  return `127.88.${process.pid % 250}.${1 + (floating % 250)}`;
}

function show({ region }: Call, collection: string, id: string): Answer {
  return answer({ [one(collection)]: existing(region.collection(collection), id, one(collection)) });
}

function change({ region, body }: Call, collection: string, id: string): Answer {
  const thing = existing(region.collection(collection), id, one(collection));
  Object.assign(thing, (body as Record<string, object>)[one(collection)]);
  return answer({ [one(collection)]: thing });
}

function remove({ region }: Call, collection: string, id: string): Answer {
  const thing = existing(region.collection(collection), id, one(collection));
  if (collection === "security-groups") {
    const inUse = [...region.servers.values()].some(({ securityGroups }) =>
      securityGroups.includes(String(thing.name)),
    );
    if (inUse) throw new Refused(409, `Security Group ${id} in use.`);
    for (const [rule, { security_group_id }] of region.collection("security-group-rules")) {
      if (security_group_id === id) region.collection("security-group-rules").delete(rule);
    }
  }
  region.collection(collection).delete(id);
  return { status: 204 };
}

function deleteVolume({ region }: Call, id: string): Answer {
  const volume = existing(region.volumes, id, "Volume");
  if (volume.status === "in-use") throw new Refused(400, "Volume status must be available");
  if ([...region.snapshots.values()].some(({ volume_id }) => volume_id === id)) {
    throw new Refused(400, "Volume has dependent snapshots");
  }
  region.volumes.delete(id);
  return { status: 202 };
}

function listSnapshots({ region, query }: Call): Answer {
  const volume = query.get("volume_id");
  const found = [...region.snapshots.values()].filter(({ volume_id }) => volume === null || volume_id === volume);
  return answer({ snapshots: found });
}

function deleteSnapshot({ region }: Call, id: string): Answer {
  existing(region.snapshots, id, "Snapshot");
  region.snapshots.delete(id);
  return { status: 202 };
}
