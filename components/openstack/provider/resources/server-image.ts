// An image in Glance, made by Nova from a stopped server, or uploaded from this computer. No published Pulumi provider
// has such a resource.
import { cloudName, labelKey, isOfWorker } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { gibibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import {
  builderOf,
  completeProperties,
  dropImage,
  findImage,
  imagesWith,
  isComplete,
  labelOf,
  setProperties,
  type Image,
} from "../images.ts";
import { quiet, Region } from "../region.ts";
import { existingServer, stateOf, type Server } from "../servers.ts";
import { finishSnapshot, startSnapshot } from "../snapshot.ts";
import { uploadImage } from "../upload.ts";
import { assertRunsOn } from "../../../local/provider/disk/guest-facts.ts";
import { finishedImage, withDisk } from "../../../local/provider/disk/image-disk.ts";
import type { InputsOf, StateOf } from "../../../../common/contract.ts";
import { ServerImage, type Importing, type Making } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";

type ServerImageInputs = InputsOf<typeof ServerImage>;
type ServerImageState = StateOf<typeof ServerImage>;

export const serverImage = implement(ServerImage, {
  async drift(id, { region, properties }) {
    const image = await findImage(new Region(region, quiet), id);
    if (!image || !isComplete(image)) return "replace";
    return Object.entries(properties).every(([key, value]) => image[key] === value) ? "none" : "update";
  },

  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    const { project, stack, distribution, recipe, properties } = inputs;
    const labels = { project, stack, distribution, recipe, role: "image" as const };
    // A bake finished but its record was lost: adopt the image if it is complete and has the same recipe.
    const present = (await imagesWith(region, labels)).find(
      (image) => isComplete(image) && isOfWorker(openstackLabels, image, inputs.worker),
    );
    if (present) {
      context.progress(`image ${present.id} already exists; adopted`);
      return outputs(inputs, await setProperties(region, present, properties));
    }
    if (inputs.importing) return outputs(inputs, await upload(region, inputs, inputs.importing));
    if (!inputs.making) {
      throw new UserError({
        where: `image of recipe ${recipe.slice(0, 8)} in ${region.name}`,
        found: "is gone, and so is its builder",
        cure: "run `pulumi up` again: it bakes the image from its recipe",
      });
    }
    return outputs(inputs, await bake(region, inputs, inputs.making, context));
  },

  async read(id, state, context) {
    const image = await findImage(new Region(state.region, context), id);
    if (!image || !isComplete(image)) return undefined;
    const properties = Object.keys(state.properties).map((key) => [key, textOf(image[key])]);
    return { ...stateOfImage(state, image), properties: Object.fromEntries(properties) as Record<string, string> };
  },

  async update(id, state, inputs, context) {
    const region = new Region(inputs.region, context);
    const image = await findImage(region, id);
    if (!image) throw new UserError({ where: `image ${id} in ${region.name}`, found: "is gone" });
    const dropped = Object.keys(state.properties).filter((key) => !(key in inputs.properties) && key in image);
    const changes = { ...Object.fromEntries(dropped.map((key) => [key, undefined])), ...inputs.properties };
    return stateOfImage(inputs, await setProperties(region, image, changes));
  },

  async delete(id, { region }, context) {
    await dropImage(new Region(region, context), id);
  },
});

/** Makes the image, or continues with one that an interrupted `pulumi up` started. */
async function bake(region: Region, inputs: ServerImageInputs, making: Making, context: Context): Promise<Image> {
  const server = await existingServer(region, making.server);
  if (server.status !== "SHUTOFF") {
    throw new UserError({
      where: `server ${server.id} in ${region.name}`,
      found: `is ${stateOf(server)} although it was sealed and stopped: it is no longer sealed`,
      cure: "run `pulumi up` again: it starts with a fresh builder",
    });
  }
  const id =
    (await startedImage(region, server)) ??
    (await startSnapshot(region, server, nameOf(inputs), metadataOf(inputs, making)));
  context.progress(`making image ${id}`, true);
  const image = await finishSnapshot(region, server, id);
  return setProperties(region, image, completeProperties(image, making.plan, making.builder));
}

/** Requirements of Nova's machines. */
const needs = { cloud: "OpenStack", network: "virtio_net", dataSources: ["OpenStack", "ConfigDrive"] };

/** Uploads the image. An interrupted upload is useless: Glance can't resume it. */
async function upload(region: Region, inputs: ServerImageInputs, importing: Importing): Promise<Image> {
  const { folder, machine, base, expires, plan, format, defaults } = importing;
  const { progress, signal } = region.context;
  for (const { id } of await imagesWith(region, { machine })) await dropImage(region, id);
  const local = await finishedImage({ folder, recipe: inputs.recipe });
  const bus = inputs.properties.hw_disk_bus ?? defaults.hw_disk_bus;
  assertRunsOn(local, { ...needs, disk: { virtio: "virtio_blk", scsi: "virtio_scsi" }[bus] });
  const { size, builder } = local.manifest;
  const labels = metadataOf(inputs, { machine, base, expires });
  const properties = { ...defaults, ...labels, [labelKey(openstackLabels, "imported")]: "true" };
  const minDisk = Math.ceil(size / gibibyte);
  const image = await withDisk(
    local,
    format,
    (disk) => uploadImage(region, { disk, format, name: nameOf(inputs), minDisk, properties }),
    progress,
    signal,
  );
  progress(`image ${image.id}: uploaded`);
  return setProperties(region, image, completeProperties(image, plan, builder));
}

/** An image of the server that Nova is making or has made. Deletes failed ones. */
async function startedImage(region: Region, server: Server): Promise<string | undefined> {
  const images = await imagesWith(region, { machine: server.name });
  const isWorking = Boolean(server["OS-EXT-STS:task_state"]);
  const started = images.find((image) => !hasFailed(image) && (image.status === "active" || isWorking));
  for (const image of images) if (image !== started) await dropImage(region, image.id);
  return started?.id;
}

function hasFailed({ status, size, block_device_mapping }: Image): boolean {
  if (["killed", "deleted", "pending_delete", "deactivated"].includes(status)) return true;
  return status === "active" && !size && block_device_mapping === undefined;
}

function nameOf({ project, stack, distribution, name, recipe }: ServerImageInputs): string {
  return cloudName(openstackLabels, project, stack, distribution, name, recipe.slice(0, 12));
}

/** The image's first metadata. Nova accepts 255 characters here; longer values are set once the image exists. */
function metadataOf(
  inputs: ServerImageInputs,
  { machine, base, expires }: Pick<Making, "machine" | "base" | "expires">,
): Record<string, string> {
  const { project, stack, distribution, recipe, name, properties, worker } = inputs;
  const labels = { project, stack, distribution, recipe, name, role: "image", base, machine, expires };
  const all = { ...labels, ...(worker !== undefined && { worker }) };
  const own = Object.entries(all).map(([label, value]) => [labelKey(openstackLabels, label), value.slice(0, 255)]);
  return { ...properties, ...(Object.fromEntries(own) as Record<string, string>) };
}

function outputs(inputs: ServerImageInputs, image: Image): { id: string; outputs: ServerImageState } {
  return { id: image.id, outputs: stateOfImage(inputs, image) };
}

function stateOfImage(inputs: Omit<ServerImageInputs, "making" | "importing">, image: Image): ServerImageState {
  const { region, project, stack, distribution, recipe, properties, worker } = inputs;
  return {
    ...{ region, project, stack, distribution, recipe, properties },
    ...(worker !== undefined && { worker }),
    name: labelOf(image, "name") ?? inputs.name,
    image: image.id,
    imageName: image.name,
    bytes: image.size ?? 0,
    builtAt: image.created_at,
    builder: builderOf(image),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
