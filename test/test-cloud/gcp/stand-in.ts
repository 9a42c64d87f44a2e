// The stand-in for Pulumi's gcp plugin, with the resource types that components/gce declares.
import type { Values } from "../bridge.ts";
import type { Disk, GceApi, Image } from "../gce-api.ts";
import type { StandIn, StandInType } from "../stand-in.ts";
import { changeLabels, Client, firstLabels, labelState, linkOf, zonal } from "./client.ts";
import { instance } from "./instance.ts";

/** The plugin for a test cloud's Compute Engine. */
export function gcpStandIn(api: GceApi): StandIn {
  return {
    package: "gcp",
    types: {
      "gcp:compute/disk:Disk": disk(api),
      "gcp:compute/firewall:Firewall": firewall(api),
      "gcp:compute/image:Image": image(api),
      "gcp:compute/instance:Instance": instance(api),
    },
  };
}

const named: StandInType["defaults"] = ({ name }, urnName) => (name === undefined ? { name: urnName } : {});

function disk(api: GceApi): StandInType {
  const stateOf = (found: Disk, known: Values): Values => ({
    ...labelState(found, known),
    creationTimestamp: found.creationTimestamp,
    diskId: found.id,
    image: known.image,
    name: found.name,
    selfLink: found.selfLink,
    size: Number(found.sizeGb),
    users: found.users ?? [],
    zone: found.zone.split("/").at(-1),
  });
  return {
    replaceOn: ["description", "image", "name", "project", "snapshot", "sourceDisk", "type", "zone"],
    defaults: named,
    async create(inputs, context) {
      const client = new Client(api, inputs, context);
      const container = zonal(client, inputs);
      const { name, image: source, size, labels } = inputs;
      const sourceImage = source === undefined ? undefined : linkOf(client, "global/images", source);
      await client.change("POST", container, "disks", {
        ...{ name, sourceImage, sizeGb: size, labels: firstLabels(labels) },
      });
      const id = `${container}/disks/${name as string}`;
      const found = await client.call<Disk>("GET", id);
      return { id, state: { ...inputs, ...stateOf(found, inputs), project: client.project } };
    },
    async read(id, state, context) {
      const found = await new Client(api, state, context).find<Disk>(id);
      return found && { ...state, ...stateOf(found, state) };
    },
    async update(id, inputs, changed, state, context) {
      const other = changed.filter((key) => key !== "labels");
      if (other.length > 0) throw new Error(`the test cloud changes no ${other.join(", ")} of a disk`);
      const client = new Client(api, inputs, context);
      await changeLabels(client, id, inputs, state);
      return { ...state, ...inputs, ...stateOf(await client.call<Disk>("GET", id), inputs) };
    },
    /** Looks first. The real provider would detach a disk in use; here the API refuses that. */
    async delete(id, state, context) {
      const client = new Client(api, state, context);
      if (!(await client.find(id))) return;
      const container = zonal(client, state);
      await client.change("DELETE", container, id.slice(container.length + 1));
    },
  };
}

function image(api: GceApi): StandInType {
  const stateOf = (found: Image, known: Values): Values => ({
    ...labelState(found, known),
    archiveSizeBytes: 0,
    creationTimestamp: found.creationTimestamp,
    description: found.description,
    diskSizeGb: Number(found.diskSizeGb),
    family: found.family,
    guestOsFeatures: found.guestOsFeatures,
    name: found.name,
    selfLink: found.selfLink,
    sourceDisk: found.sourceDisk,
    sourceImage: found.sourceImage,
    storageLocations: found.storageLocations ?? ["eu"],
  });
  return {
    // Everything except labels.
    replaceOn: [
      ...[
        "description",
        "diskSizeGb",
        "family",
        "guestOsFeatures",
        "imageEncryptionKey",
        "licenses",
        "name",
        "project",
      ],
      ...["rawDisk", "shieldedInstanceInitialState", "sourceDisk", "sourceImage", "sourceSnapshot", "storageLocations"],
    ],
    defaults: named,
    async create(inputs, context) {
      const client = new Client(api, inputs, context);
      const container = `projects/${client.project}/global`;
      const { sourceDisk, sourceImage, ...rest } = withoutProject(inputs);
      // If the operation fails, nothing is recorded in the state.
      await client.change("POST", container, "images", {
        ...rest,
        labels: firstLabels(rest.labels),
        ...(sourceDisk !== undefined && { sourceDisk: linkOf(client, "disks", sourceDisk) }),
        ...(sourceImage !== undefined && { sourceImage: linkOf(client, "global/images", sourceImage) }),
      });
      const id = `${container}/images/${inputs.name as string}`;
      const found = await client.call<Image>("GET", id);
      return { id, state: { ...inputs, ...stateOf(found, inputs), project: client.project } };
    },
    async read(id, state, context) {
      const client = new Client(api, state, context);
      const found = await client.find<Image>(id);
      return found && { ...state, ...stateOf(found, state), project: /^projects\/([^/]+)/.exec(id)![1] };
    },
    async update(id, inputs, _changed, state, context) {
      const client = new Client(api, inputs, context);
      await changeLabels(client, id, inputs, state);
      return { ...state, ...inputs, ...stateOf(await client.call<Image>("GET", id), inputs) };
    },
    async delete(id, state, context) {
      const client = new Client(api, state, context);
      if (!(await client.find(id))) return;
      const container = `projects/${client.project}/global`;
      await client.change("DELETE", container, id.slice(container.length + 1));
    },
  };
}

function firewall(api: GceApi): StandInType {
  return {
    replaceOn: ["direction", "name", "network", "project"],
    defaults: named,
    async create(inputs, context) {
      const client = new Client(api, inputs, context);
      const container = `projects/${client.project}/global`;
      await client.change("POST", container, "firewalls", ruleOf(client, inputs));
      const id = `${container}/firewalls/${inputs.name as string}`;
      const { selfLink, creationTimestamp } = await client.call<{ selfLink: string; creationTimestamp: string }>(
        "GET",
        id,
      );
      return { id, state: { ...inputs, selfLink, creationTimestamp, project: client.project } };
    },
    async read(id, state, context) {
      return (await new Client(api, state, context).find(id)) && state;
    },
    async update(id, inputs, _changed, state, context) {
      const client = new Client(api, inputs, context);
      const container = `projects/${client.project}/global`;
      await client.change("PATCH", container, id.slice(container.length + 1), ruleOf(client, inputs));
      return { ...state, ...inputs };
    },
    async delete(id, state, context) {
      const client = new Client(api, state, context);
      if (!(await client.find(id))) return;
      const container = `projects/${client.project}/global`;
      await client.change("DELETE", container, id.slice(container.length + 1));
    },
  };
}

/** Removes the project, which belongs into a request's path and not into its body. */
function withoutProject(inputs: Values): Values {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== "project"));
}

function ruleOf(client: Client, inputs: Values): Values {
  const { network, allows, denies, ...rest } = withoutProject(inputs);
  const protocols = (list: unknown) =>
    (list as { protocol: string }[] | undefined)?.map(({ protocol, ...ports }) => ({ IPProtocol: protocol, ...ports }));
  return {
    ...rest,
    network: linkOf(client, "global/networks", network),
    allowed: protocols(allows),
    denied: protocols(denies),
  };
}
