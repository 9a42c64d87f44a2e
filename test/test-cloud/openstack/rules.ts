// Rules by which Nova and Neutron refuse requests. Each has its source: a path in the services' code as of August 2026
// (openstack/nova at 00a030403f, openstack/neutron at 2131d26f73, openstack/neutron-lib).
import { isIP } from "node:net";
import { Ajv, type ValidateFunction } from "ajv";
import { Refused, type Call } from "./http.ts";
import type { Image, Region, Server } from "./state.ts";

const ajv = new Ajv({ strict: false, formats: { uuid: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i } });

const uuid = { type: "string", format: "uuid" };
/** nova/api/validation/parameter_types.py: name. No leading or trailing spaces. */
const name = { type: "string", minLength: 1, maxLength: 255, pattern: "^\\S(.*\\S)?$" };
/** nova/api/validation/parameter_types.py: boolean. */
const boolean = { enum: [true, false, ...["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"]] };
boolean.enum.push("False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no");
/** nova/api/validation/parameter_types.py: metadata. */
const metadata = {
  type: "object",
  additionalProperties: false,
  patternProperties: { "^[a-zA-Z0-9_:. -]{1,255}$": { type: "string", maxLength: 255 } },
};
const short = { type: "string", maxLength: 255 };

/** nova/api/openstack/compute/schemas/servers.py: create, `networks`. Before 2.37, the id can be any text. */
const networkList = (id: object) => ({
  type: "array",
  items: {
    type: "object",
    additionalProperties: false,
    properties: { uuid: id, port: { anyOf: [uuid, { type: "null" }] }, fixed_ip: { type: "string" } },
  },
});

/** nova/api/openstack/compute/schemas/servers.py: create, and additions of later microversions (from create_v219). */
const newServer = (microversion: number) => ({
  type: "object",
  additionalProperties: false,
  required: ["name", "flavorRef", ...(microversion >= 37 ? ["networks"] : [])],
  properties: {
    name,
    imageRef: { anyOf: [uuid, { const: "" }] },
    flavorRef: { type: ["string", "integer"], minLength: 1 },
    adminPass: { type: "string" },
    metadata,
    networks:
      microversion >= 37 ? { oneOf: [networkList(uuid), { enum: ["none", "auto"] }] } : networkList({ type: "string" }),
    // At most 65535 bytes of base64.
    user_data: { type: "string", maxLength: 65535, pattern: "^[A-Za-z0-9+/]*={0,2}$" },
    security_groups: { type: "array", items: { type: "object", additionalProperties: false, properties: { name } } },
    availability_zone: name,
    config_drive: boolean,
    key_name: name,
    block_device_mapping_v2: {
      type: "array",
      items: {
        type: "object",
        additionalProperties: false,
        properties: {
          uuid: { type: "string", minLength: 1, maxLength: 255, pattern: "^[a-zA-Z0-9._-]*$" },
          source_type: { enum: ["volume", "image", "snapshot", "blank"] },
          destination_type: { enum: ["local", "volume"] },
          boot_index: { type: ["integer", "string", "null"], pattern: "^-?[0-9]+$" },
          volume_size: { type: ["integer", "string"], pattern: "^[0-9]+$", minimum: 1 },
          delete_on_termination: boolean,
          ...{ device_type: short, disk_bus: short, guest_format: short, device_name: short, virtual_name: short },
          ...{ volume_id: uuid, snapshot_id: uuid, image_id: uuid, no_device: {}, connection_info: { type: "string" } },
          ...(microversion >= 67 && { volume_type: { type: ["string", "null"], maxLength: 255 } }),
        },
      },
    },
    ...{ min_count: {}, max_count: {}, return_reservation_id: boolean, accessIPv4: {}, accessIPv6: {} },
    // api/openstack/compute/schemas/servers.py, create_v257: no file injection any more.
    ...(microversion < 57 && { personality: {} }),
    "OS-DCF:diskConfig": { enum: ["AUTO", "MANUAL"] },
    ...(microversion >= 19 && { description: { type: ["string", "null"], maxLength: 255 } }),
    ...(microversion >= 52 && { tags: { type: "array", items: { type: "string", maxLength: 60 }, maxItems: 50 } }),
    ...(microversion >= 90 && { hostname: { type: "string", minLength: 2, maxLength: 63 } }),
  },
});

/**
 * nova/api/openstack/compute/schemas/keypairs.py: create to create_v292; names: keypair_name_special_chars in
 * parameter_types.py.
 */
const newKeypair = (microversion: number) => ({
  type: "object",
  additionalProperties: false,
  required: ["name", ...(microversion >= 92 ? ["public_key"] : [])],
  properties: {
    name: { allOf: [name, { pattern: microversion >= 92 ? "^[_@. a-zA-Z0-9-]+$" : "^[_ a-zA-Z0-9-]+$" }] },
    public_key: { type: "string" },
    ...(microversion >= 2 && { type: { enum: ["ssh", "x509"] } }),
    ...(microversion >= 10 && { user_id: { type: "string" } }),
  },
});

/** nova/api/openstack/compute/schemas/servers.py: create_image. */
const newImage = ajv.compile({
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: { name, metadata },
});

/** Compiled schemas by name and microversion. */
const compiled = new Map<string, ValidateFunction>();

function validatorOf(schemaOf: (microversion: number) => object, microversion: number): ValidateFunction {
  const key = `${schemaOf.name} ${microversion}`;
  let validate = compiled.get(key);
  if (!validate) compiled.set(key, (validate = ajv.compile(schemaOf(microversion))));
  return validate;
}

function refuseUnlessValid(validate: ValidateFunction, value: unknown): void {
  if (validate(value)) return;
  const { instancePath, message } = validate.errors![0];
  throw new Refused(400, `Invalid input for field/attribute ${instancePath.slice(1) || "body"}. ${message}`);
}

/** Checks a request for a new server. */
export function checkNewServer({ body, headers, region }: Call): void {
  const { server } = body as { server: Record<string, unknown> };
  refuseUnlessValid(validatorOf(newServer, versionOf(headers)), server);
  // nova/compute/api.py, _check_metadata_properties_quota: metadata_items is 128 unless configured
  // (nova/conf/quota.py).
  if (Object.keys(server.metadata ?? {}).length > 128) {
    throw new Refused(403, "Maximum number of metadata items exceeds 128");
  }
  // nova/network/neutron.py, _process_security_groups: by name or id. nova/api/openstack/compute/servers.py: 400 if
  // missing, 409 if the name is ambiguous.
  for (const { name } of (server.security_groups ?? []) as { name: string }[]) {
    const all = [...region.collection("security-groups").values()];
    const found = all.filter((group) => group.name === name || group.id === name);
    if (found.length === 0 && name !== "default") throw new Refused(400, `Security group ${name} not found.`);
    if (found.length > 1)
      throw new Refused(409, `Multiple security groups found matching '${name}'. Use an ID to be more specific.`);
  }
  // nova/network/neutron.py, _ports_needed_per_instance: NetworkAmbiguous (409).
  const inside = [...region.collection("networks").values()].filter((network) => !network["router:external"]);
  if (server.networks === undefined && inside.length > 1) {
    throw new Refused(409, "Multiple possible networks found, use a Network ID to be more specific.");
  }
}

/**
 * nova/compute/api.py, _validate_flavor_image_nostatus: FlavorMemoryTooSmall, FlavorDiskSmallerThanMinDisk
 * (nova/exception.py).
 */
export function checkFlavor(flavor: { ram: number; disk: number }, image: Image, isVolumeBacked: boolean): void {
  // nova/policies/servers.py, ZERO_DISK_FLAVOR: administrators only.
  if (!isVolumeBacked && flavor.disk === 0)
    throw new Refused(403, "Only volume-backed servers are allowed for flavors with zero disk.");
  if (Number(image.min_ram ?? 0) > flavor.ram)
    throw new Refused(400, "Flavor's memory is too small for requested image.");
  if (!isVolumeBacked && flavor.disk > 0 && Number(image.min_disk ?? 0) > flavor.disk) {
    throw new Refused(400, "Flavor's disk is smaller than the minimum size specified in image metadata.");
  }
}

export function checkNewKeypair({ body, headers }: Call): void {
  refuseUnlessValid(validatorOf(newKeypair, versionOf(headers)), (body as { keypair: unknown }).keypair);
}

/**
 * nova/compute/api.py, snapshot: the server must be idle and ACTIVE, SHUTOFF, PAUSED or SUSPENDED (the fake's never are
 * the latter two). Message: nova/api/openstack/common.py, raise_http_conflict_for_instance_invalid_state.
 */
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

/** Checks a request for a new Neutron resource. @param wanted The request's content. */
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
  // neutron/extensions/securitygroup.py, _validate_name_not_default: each project already has this group.
  if (collection === "security-groups" && (wanted.name as string | undefined)?.toLowerCase() === "default") {
    throw new Refused(409, "Default security group already exists.");
  }
  // neutron_lib/db/constants.py (openstack/neutron-lib): NAME_FIELD_SIZE and DESCRIPTION_FIELD_SIZE are 255.
  for (const key of ["name", "description"]) {
    if (((wanted[key] ?? "") as string).length > 255)
      throw new Refused(400, `Invalid input for ${key}. Reason: too long.`);
  }
}

/** Errors from neutron/extensions/securitygroup.py, checks from neutron/db/securitygroups_db.py. */
function checkRule(region: Region, rule: Record<string, unknown>): void {
  const { security_group_id: group, ethertype = "IPv4" } = rule;
  const prefix = rule.remote_ip_prefix as string | null | undefined;
  if (!region.collection("security-groups").has(String(group))) {
    throw new Refused(404, `Security group ${String(group)} does not exist`);
  }
  if (prefix !== undefined && prefix !== null) {
    const [address, bits] = prefix.split("/");
    const family = isIP(address);
    if (family === 0 || !(Number(bits ?? 0) <= (family === 4 ? 32 : 128))) {
      throw new Refused(400, `Invalid CIDR ${prefix} given as IP prefix.`);
    }
    // _validate_ip_prefix: SecurityGroupRuleParameterConflict.
    if (ethertype !== `IPv${family}`)
      throw new Refused(400, `Conflicting value ethertype ${String(ethertype)} for CIDR`);
  }
  checkPorts(rule);
  // _check_for_duplicate_rules: SecurityGroupRuleExists.
  const keys = ["security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max"];
  const same = [...region.collection("security-group-rules").values()].find((each) =>
    [...keys, "remote_ip_prefix", "remote_group_id"].every((key) => (each[key] ?? null) === (rule[key] ?? null)),
  );
  if (same) throw new Refused(409, `Security group rule already exists. Rule id is ${String(same.id)}.`);
}

/** _validate_port_range. */
function checkPorts(rule: Record<string, unknown>): void {
  const [least, most] = [rule.port_range_min ?? null, rule.port_range_max ?? null] as (number | null)[];
  if (least === null && most === null) return;
  if (!rule.protocol) throw new Refused(400, "Must also specify protocol if port range is given.");
  if (typeof rule.protocol !== "string" || !["tcp", "udp"].includes(rule.protocol)) return;
  for (const port of [least, most]) {
    if (port !== null && !(port > 0 && port <= 65535)) throw new Refused(400, `Invalid value for port ${port}`);
  }
  if (least === null || most === null || least > most) {
    throw new Refused(400, "For TCP/UDP protocols, port_range_min must be <= port_range_max");
  }
}

/** neutron/db/l3_db.py, _create_floatingip and _check_and_get_fip_assoc. */
function checkFloating(region: Region, wanted: Record<string, unknown>): void {
  const { floating_network_id: id, port_id: port } = wanted as { floating_network_id: string; port_id?: string | null };
  const network = region.collection("networks").get(id);
  if (network && !network["router:external"]) {
    throw new Refused(400, `Network ${id} is not a valid external network`);
  }
  if (port === undefined || port === null) return;
  if (!region.collection("ports").has(port)) throw new Refused(404, `Port ${port} could not be found.`);
  const taken = [...region.collection("floatingips").values()].some(({ port_id }) => port_id === port);
  if (taken) throw new Refused(409, `Cannot associate floating IP with port ${port}: it already has a floating IP.`);
}
