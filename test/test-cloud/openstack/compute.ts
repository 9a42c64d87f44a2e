// The fake Nova: servers, their actions and tags, key pairs, flavors.
import { randomUUID } from "node:crypto";
import { BlockList, isIPv4 } from "node:net";
import { existing, Refused, type Answer, type Call, type Route } from "./http.ts";
import { checkFlavor, checkNewImage, checkNewKeypair, checkNewServer } from "./rules.ts";
import { snapshotServer } from "./snapshot.ts";
import type { Region, Server } from "./state.ts";

interface NewServer {
  name: string;
  imageRef?: string;
  flavorRef: string;
  key_name?: string;
  metadata?: Record<string, string>;
  user_data?: string;
  security_groups?: { name: string }[];
  networks?: { uuid?: string; port?: string }[] | string;
  tags?: string[];
  block_device_mapping_v2?: {
    uuid?: string;
    source_type: string;
    destination_type?: string;
    volume_size?: number;
    delete_on_termination?: boolean;
  }[];
}

export const computeRoutes: Route[] = [
  ["GET", /^\/servers\/detail$/, listServers],
  ["POST", /^\/servers$/, createServer],
  ["GET", /^\/servers\/([^/]+)$/, (call, id) => ok({ server: shown(find(call, id), call.region) })],
  ["PUT", /^\/servers\/([^/]+)$/, renameServer],
  ["DELETE", /^\/servers\/([^/]+)$/, deleteServer],
  ["POST", /^\/servers\/([^/]+)\/action$/, act],
  ["GET", /^\/servers\/([^/]+)\/tags$/, (call, id) => ok({ tags: find(call, id).tags })],
  ["PUT", /^\/servers\/([^/]+)\/tags\/([^/]+)$/, addTag],
  ["GET", /^\/servers\/([^/]+)\/metadata$/, (call, id) => ok({ metadata: find(call, id).metadata })],
  ["POST", /^\/servers\/([^/]+)\/metadata$/, addMetadata],
  ["GET", /^\/limits$/, limits],
  ["GET", /^\/flavors\/detail$/, ({ region }) => ok({ flavors: region.flavors })],
  ["GET", /^\/flavors\/([^/]+)$/, ({ region }, wanted) => ok({ flavor: flavorOf(region, wanted) })],
  [
    "GET",
    /^\/os-keypairs$/,
    ({ region }) => ok({ keypairs: [...region.keypairs.values()].map((keypair) => ({ keypair })) }),
  ],
  [
    "GET",
    /^\/os-keypairs\/([^/]+)$/,
    ({ region }, name) => ok({ keypair: existing(region.keypairs, name, "Keypair") }),
  ],
  ["POST", /^\/os-keypairs$/, createKeypair],
  ["DELETE", /^\/os-keypairs\/([^/]+)$/, deleteKeypair],
];

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function limits({ region }: Call): Answer {
  const flavors = [...region.servers.values()].map(({ flavor }) => flavorOf(region, flavor));
  const absolute = {
    maxTotalInstances: region.quota,
    totalInstancesUsed: region.servers.size,
    maxTotalCores: region.coreQuota,
    totalCoresUsed: flavors.reduce((sum, { vcpus }) => sum + vcpus, 0),
    maxTotalRAMSize: -1,
    totalRAMUsed: flavors.reduce((sum, { ram }) => sum + ram, 0),
  };
  return ok({ limits: { rate: [], absolute } });
}

function flavorOf({ flavors }: Region, wanted: string) {
  const found = flavors.find(({ id }) => id === wanted);
  if (!found) throw new Refused(404, `Flavor ${wanted} could not be found.`);
  return found;
}

function find({ region }: Call, id: string): Server {
  return existing(region.servers, id, "Instance");
}

function listServers({ region, query }: Call): Answer {
  // Nova treats the name as a regular expression.
  const name = query.get("name");
  const listed = [...region.servers.values()].filter((server) => name === null || new RegExp(name).test(server.name));
  return ok({ servers: listed.map((server) => shown(server, region)) });
}

async function createServer(call: Call): Promise<Answer> {
  const { region, body } = call;
  const { server: wanted } = body as { server: NewServer };
  checkNewServer(call);
  if (region.servers.size >= region.quota) throw new Refused(403, "Quota exceeded for instances: Requested 1");
  if (!region.flavors.some(({ id }) => id === wanted.flavorRef)) throw new Refused(400, "Flavor's not found");
  if (wanted.key_name !== undefined && !region.keypairs.has(wanted.key_name)) {
    throw new Refused(400, "Invalid key_name provided.");
  }
  const volumeBacked = wanted.block_device_mapping_v2?.find((device) => device.destination_type === "volume");
  const imageId = volumeBacked?.uuid ?? wanted.imageRef ?? "";
  const image = region.images.get(imageId);
  if (image?.status !== "active") throw new Refused(400, `Image ${imageId} is not active.`);
  const isVolumeBacked = volumeBacked !== undefined || "block_device_mapping" in image;
  checkFlavor(flavorOf(region, wanted.flavorRef), image, isVolumeBacked);
  const networks = await networksOf(region, wanted);
  const server: Server = {
    id: randomUUID(),
    name: wanted.name,
    status: "BUILD",
    taskState: "spawning",
    metadata: wanted.metadata ?? {},
    tags: wanted.tags ?? [],
    flavor: wanted.flavorRef,
    imageId: volumeBacked ? "" : imageId,
    keyName: wanted.key_name ?? null,
    securityGroups: (wanted.security_groups ?? [{ name: "default" }]).map(({ name }) => name),
    userData: wanted.user_data ?? "",
    networks,
    ports: Array.isArray(wanted.networks) ? wanted.networks.flatMap(({ port }) => port ?? []) : [],
    volumes: [],
    created: new Date().toISOString(),
  };
  if (isVolumeBacked) {
    const id = randomUUID();
    const size = volumeBacked?.volume_size ?? 10;
    region.volumes.set(id, {
      id,
      status: "in-use",
      size,
      deleteOnTermination: volumeBacked?.delete_on_termination ?? true,
    });
    server.volumes.push(id);
  }
  region.servers.set(server.id, server);
  void boot(region, server, imageId);
  return { status: 202, body: { server: { id: server.id, adminPass: "not used" } } };
}

async function networksOf(region: Region, { networks }: NewServer): Promise<Server["networks"]> {
  if (networks === undefined || typeof networks === "string") return [{ name: "private", address: "" }];
  return networks.map(({ uuid, port }) => {
    const id = uuid ?? (existing(region.collection("ports"), port!, "Port").network_id as string);
    const network = existing(region.collection("networks"), id, "Network");
    return { name: network.name as string, address: "" };
  });
}

async function boot(region: Region, server: Server, imageId: string): Promise<void> {
  await region.step();
  const failure = region.faults.bootFailures.shift();
  try {
    if (failure !== undefined) throw new Error(failure);
    const { address } = await region.hypervisor.boot(server, region.images.get(imageId));
    for (const network of server.networks) network.address = address;
    for (const { floating, port } of floatingOf(region, server)) {
      await region.hypervisor.route(floating, address, (source) => letsIn(region, port, source));
    }
    server.status = "ACTIVE";
  } catch (error) {
    server.status = "ERROR";
    server.fault = { code: 500, message: (error as Error).message };
  }
  server.taskState = null;
}

/** The floating addresses of a server's ports. */
function floatingOf(region: Region, { ports }: Server): { floating: string; port: string }[] {
  const all = [...region.collection("floatingips").values()];
  return all
    .filter(({ port_id }) => ports.includes(String(port_id)))
    .map(({ floating_ip_address, port_id }) => ({ floating: String(floating_ip_address), port: String(port_id) }));
}

/**
 * Whether a rule of the port's security groups allows SSH from an address:
 * https://docs.openstack.org/api-ref/network/v2/#security-group-rules
 */
function letsIn(region: Region, port: string, source: string): boolean {
  const groups = (region.collection("ports").get(port)?.security_groups ?? []) as string[];
  return [...region.collection("security-group-rules").values()].some((rule) => {
    const { security_group_id, direction, port_range_min: from, port_range_max: to, remote_ip_prefix: remote } = rule;
    if (!groups.includes(String(security_group_id)) || direction !== "ingress") return false;
    if (typeof from === "number" && typeof to === "number" && (from > 22 || to < 22)) return false;
    if (typeof remote !== "string") return true;
    const [address, bits] = remote.split("/");
    const network = new BlockList();
    network.addSubnet(address, Number(bits), isIPv4(address) ? "ipv4" : "ipv6");
    return network.check(source, isIPv4(source) ? "ipv4" : "ipv6");
  });
}

function renameServer(call: Call, id: string): Answer {
  const server = find(call, id);
  Object.assign(server, (call.body as { server: { name: string } }).server);
  return ok({ server: shown(server, call.region) });
}

function deleteServer(call: Call, id: string): Answer {
  const server = find(call, id);
  const { region } = call;
  if (region.faults.ignoredDeletions > 0) {
    region.faults.ignoredDeletions -= 1;
    return { status: 204 };
  }
  server.taskState = "deleting";
  void (async () => {
    await region.step();
    await region.hypervisor.remove(server);
    await Promise.all(floatingOf(region, server).map(({ floating }) => region.hypervisor.route(floating)));
    region.servers.delete(id);
    for (const volumeId of server.volumes) {
      const volume = region.volumes.get(volumeId)!;
      // Cinder refuses to delete a volume that has snapshots; Nova only logs that.
      const hasSnapshots = [...region.snapshots.values()].some(({ volume_id }) => volume_id === volumeId);
      volume.status = "available";
      if (volume.deleteOnTermination && !hasSnapshots) region.volumes.delete(volumeId);
    }
  })();
  return { status: 204 };
}

async function act(call: Call, id: string): Promise<Answer> {
  const server = find(call, id);
  const { region } = call;
  const action = call.body as Record<string, unknown>;
  if ("createImage" in action) {
    checkNewImage(action, server);
    return snapshotServer(call, server);
  }
  if ("os-getConsoleOutput" in action) return ok({ output: await region.hypervisor.console(server) });
  const isStop = "os-stop" in action;
  if (!isStop && !("os-start" in action))
    throw new Refused(400, `There is no such action: ${Object.keys(action).join()}`);
  const needed = isStop ? "ACTIVE" : "SHUTOFF";
  if (server.status !== needed || server.taskState !== null) {
    throw new Refused(
      409,
      `Cannot '${isStop ? "stop" : "start"}' instance ${id} while it is in vm_state ${server.status}`,
    );
  }
  if (isStop && region.faults.ignoredStops > 0) {
    region.faults.ignoredStops -= 1;
    return { status: 202 };
  }
  server.taskState = isStop ? "powering-off" : "powering-on";
  void (async () => {
    await region.step();
    await (isStop ? region.hypervisor.stop(server) : region.hypervisor.start(server));
    server.status = isStop ? "SHUTOFF" : "ACTIVE";
    server.taskState = null;
  })();
  return { status: 202 };
}

function addTag(call: Call, id: string, tag: string): Answer {
  const server = find(call, id);
  if (server.tags.includes(tag)) return { status: 204 };
  server.tags.push(tag);
  return { status: 201 };
}

function addMetadata(call: Call, id: string): Answer {
  const server = find(call, id);
  Object.assign(server.metadata, (call.body as { metadata: Record<string, string> }).metadata);
  return ok({ metadata: server.metadata });
}

function createKeypair(call: Call): Answer {
  const { region, body } = call;
  checkNewKeypair(call);
  const { keypair } = body as { keypair: { name: string; public_key: string } };
  if (region.keypairs.has(keypair.name)) throw new Refused(409, `Key pair '${keypair.name}' already exists.`);
  region.keypairs.set(keypair.name, { ...keypair, created_at: new Date().toISOString() });
  return ok({ keypair });
}

function deleteKeypair({ region }: Call, name: string): Answer {
  existing(region.keypairs, name, "Keypair");
  region.keypairs.delete(name);
  return { status: 202 };
}

function shown(server: Server, region: Region) {
  const addresses = Object.fromEntries(
    server.networks
      .filter(({ address }) => address !== "")
      .map(({ name, address }) => [name, [{ addr: address, version: 4, "OS-EXT-IPS:type": "fixed" }]]),
  );
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    metadata: server.metadata,
    tags: server.tags,
    created: server.created,
    image: server.imageId === "" ? "" : { id: server.imageId },
    flavor: region.flavors.find(({ id }) => id === server.flavor),
    key_name: server.keyName,
    security_groups: server.securityGroups.map((name) => ({ name })),
    addresses,
    accessIPv4: "",
    "OS-EXT-STS:task_state": server.taskState,
    "OS-EXT-STS:vm_state": { ACTIVE: "active", SHUTOFF: "stopped", ERROR: "error" }[server.status] ?? "building",
    "os-extended-volumes:volumes_attached": server.volumes.map((id) => ({ id })),
    ...(server.fault && { fault: server.fault }),
  };
}
