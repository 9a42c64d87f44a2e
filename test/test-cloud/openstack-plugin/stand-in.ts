// The stand-in for Pulumi's openstack plugin, with the resource types that components/openstack declares.
import type { OpenStackApi } from "../openstack-api.ts";
import type { Values } from "../bridge.ts";
import type { StandIn, StandInType } from "../stand-in.ts";
import { Client, Rejected, unlessGone, waitUntil } from "./client.ts";
import { instance } from "./instance.ts";

/** The plugin for a test cloud's OpenStack. */
export function openstackStandIn(api: OpenStackApi): StandIn {
  return {
    package: "openstack",
    types: {
      "openstack:compute/instance:Instance": instance(api),
      "openstack:compute/keypair:Keypair": keypair(api),
      "openstack:networking/floatingIp:FloatingIp": floatingIp(api),
      "openstack:networking/port:Port": networking(api, "port", port),
      "openstack:networking/secGroup:SecGroup": networking(api, "security_group", securityGroup),
      "openstack:networking/secGroupRule:SecGroupRule": networking(api, "security_group_rule", rule),
    },
  };
}

function keypair(api: OpenStackApi): StandInType {
  return {
    replaceOn: ["name", "publicKey", "region", "userId", "valueSpecs"],
    secrets: ["privateKey"],
    defaults: ({ name }, urnName) => (name === undefined ? { name: urnName } : {}),
    async create(inputs, context) {
      const client = Client.of(api, inputs, context);
      const request = { keypair: { name: inputs.name, public_key: inputs.publicKey } };
      await client.call("compute/v2.1", "POST", "/os-keypairs", request);
      return { id: inputs.name as string, state: { ...inputs, region: client.region } };
    },
    async read(id, state, context) {
      const client = Client.of(api, state, context);
      const found = await client.find<{ keypair: { name: string; public_key: string } }>(
        "compute/v2.1",
        `/os-keypairs/${encodeURIComponent(id)}`,
      );
      return found && { ...state, name: id, publicKey: found.keypair.public_key, region: client.region };
    },
    async delete(id, state, context) {
      const path = `/os-keypairs/${encodeURIComponent(id)}`;
      await unlessGone(Client.of(api, state, context).call("compute/v2.1", "DELETE", path));
    },
  };
}

/** The differences between Neutron's resource types. */
interface NetworkingType {
  replaceOn: string[];
  named?: boolean;
  request(inputs: Values): Values;
  /** Outputs from Neutron's answer. */
  state(thing: Values): Values;
}

const securityGroup: NetworkingType = {
  replaceOn: ["region", "tenantId"],
  named: true,
  request: ({ name, description }) => ({ name, description }),
  state: ({ name, description }) => ({ name, description: description ?? "" }),
};

const rule: NetworkingType = {
  replaceOn: [
    ...["description", "direction", "ethertype", "portRangeMax", "portRangeMin", "protocol", "region"],
    ...["remoteGroupId", "remoteIpPrefix", "securityGroupId", "tenantId"],
  ],
  request: (inputs) => ({
    direction: inputs.direction,
    ethertype: inputs.ethertype,
    protocol: inputs.protocol,
    port_range_min: inputs.portRangeMin,
    port_range_max: inputs.portRangeMax,
    remote_ip_prefix: inputs.remoteIpPrefix,
    security_group_id: inputs.securityGroupId,
  }),
  state: () => ({}),
};

const port: NetworkingType = {
  replaceOn: ["macAddress", "networkId", "region", "tenantId"],
  request: (inputs) => ({
    name: inputs.name,
    network_id: inputs.networkId,
    admin_state_up: inputs.adminStateUp,
    security_groups: inputs.securityGroupIds,
  }),
  state: () => ({}),
};

function networking(api: OpenStackApi, one: string, type: NetworkingType): StandInType {
  const collection = `/${one.replaceAll("_", "-")}s`;
  return {
    replaceOn: type.replaceOn,
    defaults: ({ name }, urnName) => (type.named && name === undefined ? { name: urnName } : {}),
    async create(inputs, context) {
      const client = Client.of(api, inputs, context);
      const body = { [one]: type.request(inputs) };
      const made = await client.call<Record<string, Values>>("network/v2.0", "POST", collection, body);
      const { id, ...thing } = made[one];
      return { id: id as string, state: { ...inputs, ...type.state(thing), region: client.region } };
    },
    async read(id, state, context) {
      const client = Client.of(api, state, context);
      const found = await client.find<Record<string, Values>>("network/v2.0", `${collection}/${id}`);
      return found && { ...state, ...type.state(found[one]), region: client.region };
    },
    async update(id, inputs, _changed, state, context) {
      const body = { [one]: type.request(inputs) };
      await Client.of(api, inputs, context).call("network/v2.0", "PUT", `${collection}/${id}`, body);
      return { ...state, ...inputs };
    },
    async delete(id, state, context) {
      const client = Client.of(api, state, context);
      await waitUntil(
        async () => {
          try {
            await unlessGone(client.call("network/v2.0", "DELETE", `${collection}/${id}`));
            return true;
          } catch (error) {
            // Still in use: try again until the timeout.
            if (error instanceof Rejected && error.status === 409) return false;
            throw error;
          }
        },
        AbortSignal.any([context.signal, AbortSignal.timeout(60_000)]),
      );
    },
  };
}

/** openstack:networking/floatingIp:FloatingIp. The pool is a network's name. */
function floatingIp(api: OpenStackApi): StandInType {
  type Address = { floatingip: { id: string; floating_ip_address: string } };
  return {
    replaceOn: ["address", "pool", "region", "subnetId", "tenantId"],
    async create(inputs, context) {
      const client = Client.of(api, inputs, context);
      const query = `/networks?name=${encodeURIComponent(inputs.pool as string)}`;
      const { networks } = await client.call<{ networks: { id: string }[] }>("network/v2.0", "GET", query);
      const { description, portId: port_id } = inputs;
      const body = { floatingip: { floating_network_id: networks[0]?.id, port_id, description } };
      const { floatingip } = await client.call<Address>("network/v2.0", "POST", "/floatingips", body);
      const state = { ...inputs, address: floatingip.floating_ip_address, region: client.region };
      return { id: floatingip.id, state };
    },
    async read(id, state, context) {
      const found = await Client.of(api, state, context).find<Address>("network/v2.0", `/floatingips/${id}`);
      return found && { ...state, address: found.floatingip.floating_ip_address };
    },
    async delete(id, state, context) {
      await unlessGone(Client.of(api, state, context).call("network/v2.0", "DELETE", `/floatingips/${id}`));
    },
  };
}
