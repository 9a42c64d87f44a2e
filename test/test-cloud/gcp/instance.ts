// gcp:compute/instance:Instance, modelled on google/services/compute/resource_compute_instance.go of
// terraform-provider-google.
import { isUnknown, unknownValue } from "../../../toolchain/offline/command-plugin/values.mjs";
import type { Values } from "../bridge.ts";
import type { GceApi, Instance } from "../gce-api.ts";
import { InitFailed, type StandInType } from "../stand-in.ts";
import { changeLabels, Client, firstLabels, labelState, linkOf, zonal } from "./client.ts";

interface BootDisk {
  autoDelete?: boolean;
  source?: string;
  initializeParams?: { image?: string; size?: number; type?: string };
}

interface NetworkInterface {
  network?: string;
  subnetwork?: string;
  subnetworkProject?: string;
  accessConfigs?: { networkTier?: string }[];
}

/** The resource type. */
export function instance(api: GceApi): StandInType {
  return {
    replaceOn: [
      ...["bootDisk", "canIpForward", "description", "hostname", "metadataStartupScript", "minCpuPlatform", "name"],
      ...["networkInterfaces", "project", "scheduling.maxRunDuration", "scheduling.provisioningModel", "zone"],
    ],
    defaults: ({ name }, urnName) => (name === undefined ? { name: urnName } : {}),

    preview: ({ networkInterfaces }) => ({
      // Completely unknown if the program takes them from a new resource.
      networkInterfaces: isUnknown(networkInterfaces)
        ? networkInterfaces
        : (networkInterfaces as { accessConfigs?: object[] }[]).map((each) => ({
            ...each,
            networkIp: unknownValue,
            ...(each.accessConfigs && {
              accessConfigs: each.accessConfigs.map((access) => ({ ...access, natIp: unknownValue })),
            }),
          })),
    }),

    async create(inputs, context) {
      const { desiredStatus = "RUNNING" } = inputs;
      if (desiredStatus !== "RUNNING") {
        throw new Error("When creating an instance, desired_status can only accept RUNNING value");
      }
      const client = new Client(api, inputs, context);
      const container = zonal(client, inputs);
      await client.change("POST", container, "instances", requestOf(client, inputs));
      const id = `${container}/instances/${inputs.name as string}`;
      const found = await client.find<Instance>(id);
      if (!found) throw new InitFailed(id, inputs, `${id} was made and is gone`);
      return { id, state: { ...inputs, ...stateOf(found, inputs), project: client.project } };
    },

    async read(id, state, context) {
      const client = new Client(api, state, context);
      const found = await client.find<Instance>(id);
      return found && { ...state, ...stateOf(found, state), project: client.project };
    },

    async update(id, inputs, changed, state, context) {
      const other = changed.filter((key) => !["labels", "desiredStatus"].includes(key));
      if (other.length > 0) throw new Error(`the test cloud changes no ${other.join(", ")} of an instance`);
      const client = new Client(api, inputs, context);
      if (changed.includes("labels")) await changeLabels(client, id, inputs, state);
      if (changed.includes("desiredStatus")) {
        const container = zonal(client, inputs);
        const action = inputs.desiredStatus === "RUNNING" ? "start" : "stop";
        await client.change("POST", container, `${id.slice(container.length + 1)}/${action}`);
      }
      return { ...state, ...inputs, ...stateOf(await client.call<Instance>("GET", id), inputs) };
    },

    /** Like the provider, does not look first, so a missing instance is an error. */
    async delete(id, state, context) {
      const client = new Client(api, state, context);
      const container = zonal(client, state);
      await client.change("DELETE", container, id.slice(container.length + 1));
    },
  };
}

function requestOf(client: Client, inputs: Values): Values {
  const { source, autoDelete, initializeParams } = inputs.bootDisk as BootDisk;
  const zone = zonal(client, inputs);
  const collection = zone.slice(`projects/${client.project}/`.length);
  const metadata = Object.entries((inputs.metadata ?? {}) as Record<string, string>);
  const interfaces = inputs.networkInterfaces as NetworkInterface[];
  const region = `regions/${(inputs.zone as string).replace(/-[a-z]+$/, "")}`;
  return {
    name: inputs.name,
    machineType: `${zone}/machineTypes/${inputs.machineType as string}`,
    labels: firstLabels(inputs.labels),
    tags: { items: inputs.tags ?? [] },
    scheduling: inputs.scheduling,
    shieldedInstanceConfig: inputs.shieldedInstanceConfig,
    serviceAccounts: inputs.serviceAccount === undefined ? [] : [inputs.serviceAccount],
    metadata: { items: metadata.map(([key, value]) => ({ key, value })) },
    networkInterfaces: interfaces.map(({ network, subnetwork, subnetworkProject = client.project, accessConfigs }) => ({
      network: linkOf(client, "global/networks", network ?? "default"),
      ...(subnetwork !== undefined && {
        subnetwork: subnetwork.includes("/")
          ? subnetwork
          : `projects/${subnetworkProject}/${region}/subnetworks/${subnetwork}`,
      }),
      ...(accessConfigs && { accessConfigs: accessConfigs.map((access) => ({ ...access, type: "ONE_TO_ONE_NAT" })) }),
    })),
    disks: [
      {
        boot: true,
        // The provider's default, which differs from the API's.
        autoDelete: autoDelete ?? true,
        ...(source !== undefined && { source: linkOf(client, `${collection}/disks`, source) }),
        ...(initializeParams && {
          initializeParams: {
            sourceImage: linkOf(client, "global/images", initializeParams.image),
            diskSizeGb: initializeParams.size,
          },
        }),
      },
    ],
  };
}

function stateOf(found: Instance, known: Values): Values {
  const interfaces = (known.networkInterfaces ?? []) as { accessConfigs?: object[] }[];
  return {
    ...labelState(found, known),
    bootDisk: {
      ...(known.bootDisk as object | undefined),
      autoDelete: found.disks[0]?.autoDelete,
      source: found.disks[0]?.source,
    },
    cpuPlatform: "Intel Broadwell",
    creationTimestamp: found.creationTimestamp,
    currentStatus: found.status,
    // Only read if the program sets it.
    ...(known.desiredStatus !== undefined && { desiredStatus: found.status }),
    instanceId: found.id,
    machineType: found.machineType.split("/").at(-1),
    metadata: Object.fromEntries(found.metadata.items.map(({ key, value }) => [key, value])),
    metadataFingerprint: found.metadata.fingerprint,
    name: found.name,
    networkInterfaces: found.networkInterfaces.map(({ networkIP, accessConfigs }, index) => ({
      ...interfaces[index],
      networkIp: networkIP,
      accessConfigs: (accessConfigs ?? []).map(({ natIP }, nth) => ({
        ...interfaces[index]?.accessConfigs?.[nth],
        // Like flattenAccessConfigs, empty while the instance is stopped.
        natIp: natIP ?? "",
      })),
    })),
    selfLink: found.selfLink,
    tags: found.tags.items,
    tagsFingerprint: found.tags.fingerprint,
    zone: found.zone.split("/").at(-1),
  };
}
