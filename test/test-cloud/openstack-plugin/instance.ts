// openstack:compute/instance:Instance, modelled on openstack/resource_openstack_compute_instance_v2.go of
// terraform-provider-openstack.
import type { OpenStackApi } from "../openstack-api.ts";
import type { Values } from "../bridge.ts";
import { InitFailed, type StandInType } from "../stand-in.ts";
import { Client, Rejected, unlessGone, waitUntil } from "./client.ts";

/** A server in Nova's answers. */
interface Server {
  status: string;
  name: string;
  metadata: Record<string, string>;
  tags: string[];
  image: { id: string } | "";
  flavor: { id: string; name: string };
  key_name?: string;
  security_groups: { name: string }[];
  addresses: Record<string, { addr: string }[]>;
  fault?: { message: string };
}

interface BlockDevice {
  uuid?: string;
  sourceType: string;
  destinationType?: string;
  volumeSize?: number;
  volumeType?: string;
  bootIndex?: number;
  deleteOnTermination?: boolean;
}

const powerStates: Record<string, string> = { ACTIVE: "active", SHUTOFF: "shutoff", ERROR: "error" };

/** The resource type. */
export function instance(api: OpenStackApi): StandInType {
  return {
    // Not imageId: a change of the image rebuilds the server in place.
    replaceOn: [
      ...["availabilityZone", "blockDevices", "configDrive", "keyPair", "networkMode", "networks", "region"],
      ...["schedulerHints", "userData"],
    ],
    secrets: ["adminPass"],
    defaults: (inputs, urnName) => ({
      ...(inputs.name === undefined && { name: urnName }),
      ...(inputs.powerState === undefined && { powerState: "active" }),
    }),

    async create(inputs, context) {
      const client = Client.of(api, inputs, context);
      const request = { server: requestOf(inputs) };
      const devices = (inputs.blockDevices ?? []) as BlockDevice[];
      // openstack/resource_openstack_compute_instance_v2.go: only needed for a volume type.
      const microversion = devices.some(({ volumeType }) => volumeType) ? "2.67" : undefined;
      const asked = client.call<{ server: { id: string } }>("compute/v2.1", "POST", "/servers", request, microversion);
      const { server } = await asked;
      const { id } = server;
      const state = async () => ({ ...inputs, ...(await stateOf(client, id)), region: client.region });
      try {
        await waitUntil(async () => {
          const { status, fault } = await shown(client, id);
          if (status !== "BUILD" && status !== "ACTIVE") {
            throw new Error(
              `Error waiting for instance (${id}) to become ready: unexpected state '${status}': ${fault?.message}`,
            );
          }
          return status === "ACTIVE";
        }, context.signal);
      } catch (error) {
        throw new InitFailed(id, await state(), (error as Error).message);
      }
      return { id, state: await state() };
    },

    async read(id, state, context) {
      const client = Client.of(api, state, context);
      const found = await client.find("compute/v2.1", `/servers/${id}`);
      return found && { ...state, ...(await stateOf(client, id)), region: client.region };
    },

    async update(id, inputs, changed, state, context) {
      const client = Client.of(api, inputs, context);
      const other = changed.filter((key) => !["name", "metadata", "powerState"].includes(key));
      if (other.length > 0)
        throw new Error(`the test cloud changes no ${other.join(", ")}; the real one might rebuild`);
      if (changed.includes("name")) {
        await client.call("compute/v2.1", "PUT", `/servers/${id}`, { server: { name: inputs.name } });
      }
      if (changed.includes("metadata")) {
        await client.call("compute/v2.1", "POST", `/servers/${id}/metadata`, { metadata: inputs.metadata });
      }
      if (changed.includes("powerState")) {
        const [action, status] = inputs.powerState === "active" ? ["os-start", "ACTIVE"] : ["os-stop", "SHUTOFF"];
        await client.call("compute/v2.1", "POST", `/servers/${id}/action`, { [action]: null });
        await waitUntil(async () => (await shown(client, id)).status === status, context.signal);
      }
      return { ...state, ...inputs, ...(await stateOf(client, id)) };
    },

    async delete(id, state, context) {
      const client = Client.of(api, state, context);
      const asked = await unlessGone(client.call("compute/v2.1", "DELETE", `/servers/${id}`).then(() => true));
      if (!asked) return;
      await waitUntil(async () => {
        const found = await client.find<{ server: Server }>("compute/v2.1", `/servers/${id}`);
        if (found && !["ACTIVE", "SHUTOFF"].includes(found.server.status)) {
          throw new Error(
            `Error waiting for instance (${id}) to Delete: unexpected state '${found.server.status}', wanted target 'DELETED, SOFT_DELETED'`,
          );
        }
        return !found;
      }, context.signal);
    },
  };
}

function requestOf(inputs: Values) {
  const networks = inputs.networks as { uuid?: string; port?: string }[] | undefined;
  const groups = inputs.securityGroups as string[] | undefined;
  const devices = inputs.blockDevices as BlockDevice[] | undefined;
  return {
    name: inputs.name,
    imageRef: inputs.imageId ?? "",
    flavorRef: inputs.flavorId,
    key_name: inputs.keyPair,
    metadata: inputs.metadata,
    config_drive: inputs.configDrive,
    availability_zone: inputs.availabilityZone,
    ...(inputs.userData !== undefined && { user_data: Buffer.from(inputs.userData as string).toString("base64") }),
    ...(groups && { security_groups: groups.map((name) => ({ name })) }),
    ...(networks && { networks: networks.map(({ uuid, port }) => (port === undefined ? { uuid } : { port })) }),
    ...(devices && {
      block_device_mapping_v2: devices.map((device) => ({
        uuid: device.uuid,
        source_type: device.sourceType,
        destination_type: device.destinationType,
        volume_size: device.volumeSize,
        volume_type: device.volumeType,
        boot_index: device.bootIndex,
        delete_on_termination: device.deleteOnTermination,
      })),
    }),
  };
}

async function shown(client: Client, id: string): Promise<Server> {
  const found = await client.find<{ server: Server }>("compute/v2.1", `/servers/${id}`);
  if (!found) throw new Rejected(404, `GET /servers/${id}`, "the server is gone");
  return found.server;
}

async function stateOf(client: Client, id: string): Promise<Values> {
  const server = await shown(client, id);
  const addresses = Object.values(server.addresses).flat();
  return {
    accessIpV4: addresses[0]?.addr ?? "",
    accessIpV6: "",
    allMetadata: server.metadata,
    allTags: server.tags,
    flavorId: server.flavor.id,
    flavorName: server.flavor.name,
    imageId: server.image === "" ? "Attempt to boot from volume - no image supplied" : server.image.id,
    keyPair: server.key_name,
    metadata: server.metadata,
    name: server.name,
    powerState: powerStates[server.status] ?? "building",
    securityGroups: server.security_groups.map(({ name }) => name),
  };
}
