// What Nova and Neutron refuse, and a fake that takes everything would not: one rule each with its source. Paths without a host are in the
// services' own sources (openstack/nova, openstack/neutron), api-ref is https://docs.openstack.org/api-ref/compute/ and .../network/v2/.
import { isIP } from "node:net";
import { Ajv, type ValidateFunction } from "ajv";
import { Refused, type Call } from "./http.ts";
import type { Image, Region, Server } from "./state.ts";

const ajv = new Ajv({ strict: false, formats: { uuid: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i } });

const uuid = { type: "string", format: "uuid" };
/** nova/api/validation/parameter_types.py: name. No spaces at either end. */
const name = { type: "string", minLength: 1, maxLength: 255, pattern: "^\\S(.*\\S)?$" };
/** nova/api/validation/parameter_types.py: metadata. */
const metadata = {
  type: "object",
  additionalProperties: false,
  patternProperties: { "^[a-zA-Z0-9_:. -]{1,255}$": { type: "string", maxLength: 255 } },
};

/** nova/api/openstack/compute/schemas/servers.py: create. */
const newServer = ajv.compile({
  type: "object",
  additionalProperties: false,
  required: ["name", "flavorRef"],
  properties: {
    name,
    imageRef: { anyOf: [uuid, { const: "" }] },
    flavorRef: { type: ["string", "integer"], minLength: 1 },
    adminPass: { type: "string" },
    metadata,
    networks: {
      anyOf: [
        { enum: ["none", "auto"] },
        {
          type: "array",
          items: {
            type: "object",
            additionalProperties: false,
            properties: { uuid, port: { anyOf: [uuid, { type: "null" }] }, fixed_ip: { type: "string" }, tag: {} },
          },
        },
      ],
    },
    // nova/api/validation/parameter_types.py: user_data, 65535 bytes of base64.
    user_data: { type: "string", maxLength: 65535, pattern: "^[A-Za-z0-9+/]*={0,2}$" },
    security_groups: {
      type: "array",
      items: { type: "object", additionalProperties: false, required: ["name"], properties: { name } },
    },
    availability_zone: name,
    config_drive: { enum: [true, false, "true", "false", "True", "False", "1", "0", ""] },
    key_name: { type: "string", minLength: 1, maxLength: 255 },
    block_device_mapping_v2: {
      type: "array",
      items: {
        type: "object",
        additionalProperties: false,
        properties: {
          uuid: { type: "string" },
          source_type: { enum: ["volume", "image", "snapshot", "blank"] },
          destination_type: { enum: ["local", "volume"] },
          boot_index: { type: ["integer", "string", "null"] },
          volume_size: { type: ["integer", "string"] },
          volume_type: { type: ["string", "null"] },
          delete_on_termination: { type: ["boolean", "string"] },
          ...{
            device_type: {},
            disk_bus: {},
            guest_format: {},
            no_device: {},
            tag: {},
            device_name: {},
            volume_id: {},
          },
        },
      },
    },
    ...{ min_count: {}, max_count: {}, return_reservation_id: {}, accessIPv4: {}, accessIPv6: {}, personality: {} },
    ...{ "OS-DCF:diskConfig": { enum: ["AUTO", "MANUAL"] }, tags: {}, description: {}, hostname: {} },
  },
});

/** nova/api/openstack/compute/schemas/keypairs.py: before 2.92 letters, digits, blanks, - and _ (and @ . + by later fixes). */
const newKeypair = ajv.compile({
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { type: "string", pattern: "^[A-Za-z0-9@._ +-]{1,255}$" },
    public_key: { type: "string" },
    ...{ type: { enum: ["ssh", "x509"] }, user_id: { type: "string" } },
  },
});

/** nova/api/openstack/compute/schemas/servers.py: create_image. */
const newImage = ajv.compile({
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: { name, metadata },
});

function refuseUnlessValid(validate: ValidateFunction, value: unknown): void {
  if (validate(value)) return;
  const { instancePath, message } = validate.errors![0];
  throw new Refused(400, `Invalid input for field/attribute ${instancePath.slice(1) || "body"}. ${message}`);
}

/** The server that is asked for, before anything is looked up. */
export function checkNewServer({ body, headers, region }: Call): void {
  const { server } = body as { server: Record<string, unknown> };
  refuseUnlessValid(newServer, server);
  const microversion = versionOf(headers);
  // api-ref, Create Server: `tags` is new in 2.52, `description` in 2.19, `hostname` in 2.90.
  for (const [key, since] of [
    ["tags", 52],
    ["description", 19],
    ["hostname", 90],
  ] as const) {
    if (server[key] !== undefined && microversion < since) {
      throw new Refused(400, `Additional properties are not allowed ('${key}' was unexpected)`);
    }
  }
  // nova/quota.py: metadata_items, 128 unless configured.
  if (Object.keys(server.metadata ?? {}).length > 128) throw new Refused(403, "Quota exceeded for metadata_items");
  // nova/network/neutron.py, _process_security_groups: by name or id, and 400 for one that is missing.
  for (const { name } of (server.security_groups ?? []) as { name: string }[]) {
    const all = [...region.collection("security-groups").values()];
    const found = all.filter((group) => group.name === name || group.id === name);
    if (found.length === 0 && name !== "default") throw new Refused(400, `Security group ${name} not found.`);
    if (found.length > 1)
      throw new Refused(409, `Multiple security_group matches found for name '${name}', use an ID.`);
  }
  // nova/network/neutron.py, _get_available_networks and validate_networks: NetworkAmbiguous.
  const inside = [...region.collection("networks").values()].filter((network) => !network["router:external"]);
  if (server.networks === undefined && inside.length > 1) {
    throw new Refused(409, "Multiple possible networks found, use a Network ID to be more specific.");
  }
}

/** nova/compute/api.py, _validate_flavor_image: FlavorMemoryTooSmall, FlavorDiskSmallerThanMinDisk. */
export function checkFlavor(flavor: { ram: number; disk: number }, image: Image, isVolumeBacked: boolean): void {
  if (Number(image.min_ram ?? 0) > flavor.ram)
    throw new Refused(400, "Flavor's memory is too small for requested image.");
  if (!isVolumeBacked && flavor.disk > 0 && Number(image.min_disk ?? 0) > flavor.disk) {
    throw new Refused(400, "The created instance's disk would be too small.");
  }
}

export function checkNewKeypair(body: unknown): void {
  refuseUnlessValid(newKeypair, (body as { keypair: unknown }).keypair);
}

/** api-ref, Create Image: of a server that is ACTIVE, SHUTOFF, PAUSED or SUSPENDED, and idle. */
export function checkNewImage(body: unknown, server: Server): void {
  refuseUnlessValid(newImage, (body as { createImage: unknown }).createImage);
  if (!["ACTIVE", "SHUTOFF"].includes(server.status) || server.taskState !== null) {
    const state = server.taskState === null ? `vm_state ${server.status}` : `task_state ${server.taskState}`;
    throw new Refused(409, `Cannot 'createImage' instance ${server.id} while it is in ${state}`);
  }
}

function versionOf(headers: Call["headers"]): number {
  const text = String(headers["openstack-api-version"] ?? headers["x-openstack-nova-api-version"] ?? "2.1");
  return Number(/2\.(\d+)/.exec(text)?.[1] ?? 1);
}

/** What Neutron refuses of a thing that is to be made. @param wanted What is in the body. */
export function checkNewNetworkThing(region: Region, collection: string, wanted: Record<string, unknown>): void {
  if (collection === "security-group-rules") checkRule(region, wanted);
  if (collection === "floatingips") checkFloating(region, wanted);
  if (collection === "ports") {
    // neutron/extensions/securitygroup.py: SecurityGroupNotFound.
    for (const id of (wanted.security_groups ?? []) as string[]) {
      if (!region.collection("security-groups").has(id)) {
        throw new Refused(404, `Security group ${id} does not exist`);
      }
    }
  }
  // neutron/db/securitygroups_db.py, SecurityGroupDefaultAlreadyExists: each project has one.
  if (collection === "security-groups" && wanted.name === "default") {
    throw new Refused(409, "Default security group already exists.");
  }
  // neutron_lib/db/constants.py: NAME_FIELD_SIZE and DESCRIPTION_FIELD_SIZE are 255.
  for (const key of ["name", "description"]) {
    if (((wanted[key] ?? "") as string).length > 255)
      throw new Refused(400, `Invalid input for ${key}. Reason: too long.`);
  }
}

/** neutron/extensions/securitygroup.py and neutron/db/securitygroups_db.py. */
function checkRule(region: Region, rule: Record<string, unknown>): void {
  const { security_group_id: group, ethertype = "IPv4", protocol } = rule;
  const prefix = rule.remote_ip_prefix as string | null | undefined;
  if (!region.collection("security-groups").has(String(group))) {
    throw new Refused(404, `Security group ${String(group)} does not exist`);
  }
  if (prefix !== undefined && prefix !== null) {
    const [address, bits] = prefix.split("/");
    const family = isIP(address);
    if (family === 0 || !(Number(bits ?? 0) <= (family === 4 ? 32 : 128))) {
      throw new Refused(400, `'${prefix}' is not a valid CIDR.`);
    }
    // SecurityGroupRuleParameterConflict.
    if (ethertype !== `IPv${family}`)
      throw new Refused(400, `Conflicting value ethertype ${String(ethertype)} for CIDR`);
  }
  const [least, most] = [rule.port_range_min, rule.port_range_max];
  // SecurityGroupProtocolRequiredWithPorts, SecurityGroupInvalidPortRange.
  if (least !== undefined && least !== null && !protocol)
    throw new Refused(400, "Must also specify protocol if port range is given.");
  if (Number(least ?? 0) > Number(most ?? 65535) || Number(most ?? 0) > 65535) {
    throw new Refused(400, "For TCP/UDP protocols, port_range_min must be <= port_range_max");
  }
  // SecurityGroupRuleExists: the same rule again.
  const keys = ["security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max"];
  const same = [...region.collection("security-group-rules").values()].find((each) =>
    [...keys, "remote_ip_prefix", "remote_group_id"].every((key) => (each[key] ?? null) === (rule[key] ?? null)),
  );
  if (same) throw new Refused(409, `Security group rule already exists. Rule id is ${String(same.id)}.`);
}

/** neutron/db/l3_db.py, create_floatingip and _internal_fip_assoc_data. */
function checkFloating(region: Region, wanted: Record<string, unknown>): void {
  const { floating_network_id: id, port_id: port } = wanted as { floating_network_id: string; port_id?: string | null };
  const network = region.collection("networks").get(id);
  if (network && !network["router:external"]) {
    throw new Refused(400, `Network ${id} is not a valid external network`);
  }
  if (port === undefined || port === null) return;
  if (!region.collection("ports").has(port)) throw new Refused(404, `Port ${port} could not be found.`);
  const taken = [...region.collection("floatingips").values()].some(({ port_id }) => port_id === port);
  if (taken) throw new Refused(409, `Cannot associate floating IP: port ${port} already has one.`);
}
