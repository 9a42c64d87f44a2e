// An AMI made from a disk that was baked on this computer: uploads a snapshot and registers it as an image.
import { builderTag, tagKey, tagNames } from "../../facts/tags.ts";
import { formatExpiry, isOfWorker } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { gibibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { asking, ec2, errorCode } from "../client.ts";
import { isUsable, removeImage, waitForImage } from "../images.ts";
import { forgetImport } from "../import-journal.ts";
import { uploadSnapshot } from "../snapshot-upload.ts";
import { findImage, findImages, findSnapshots, putTags, snapshotsOf, tagsOf, type Tags } from "../tagged-resources.ts";
import { assertRunsOn } from "../../../local/provider/disk/guest-facts.ts";
import { finishedImage, withDisk } from "../../../local/provider/disk/image-disk.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { ImportedImage, type Importing } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";

/** Requirements of Nitro machines. */
const needs = { cloud: "EC2", disk: "nvme", network: "ena", dataSources: ["Ec2"] };

export const importedImage = implement(ImportedImage, {
  async drift(id, { region }) {
    const image = await asking(`looking at ${id} in ${region}`, () => findImage(region, id));
    return image && isUsable(image) ? "none" : "replace";
  },

  async create(inputs, context) {
    const { region, tags, importing } = inputs;
    if (!importing) {
      const found = "is gone";
      throw new UserError({ where: `an imported image in ${region}`, found, cure: "run `pulumi up` again" });
    }
    const local = await finishedImage({ folder: importing.folder, recipe: importing.recipe });
    assertRunsOn(local, needs);
    const { builder } = local.manifest;
    return asking(`importing ${importing.folder} into ${region}`, async () => {
      // Left by an `up` that was killed after registering the image.
      const found = await findImages(region, importing.lease);
      const worker = importing.lease[tagKey("worker")];
      const present = found.find((image) => isUsable(image) && isOfWorker(ec2Labels, tagsOf(image), worker));
      const id = present?.ImageId ?? (await register(inputs, importing, local, context));
      const image = await waitForImage(region, id, context, !present);
      // The image has the expiry now.
      const snapshots = snapshotsOf(image);
      await (await ec2(region)).deleteTags({ Resources: snapshots, Tags: [{ Key: tagKey("expires") }] });
      for (const snapshot of snapshots) await forgetImport(snapshot);
      return { id, outputs: { region, tags, image: id, name: image.Name!, builder } };
    });
  },

  async read(id, state) {
    return (await asking(`looking at ${id} in ${state.region}`, () => findImage(state.region, id))) && state;
  },

  async update(id, state, { region, tags }) {
    await asking(`tagging ${id} in ${region}`, () => putTags(region, [id], tags));
    return { ...state, tags };
  },

  async delete(id, { region }, context) {
    await asking(`removing ${id} in ${region}`, () => removeImage(region, id, context));
  },
});

async function register(
  { region, tags }: Pick<InputsOf<typeof ImportedImage>, "region" | "tags">,
  importing: Importing,
  local: Awaited<ReturnType<typeof finishedImage>>,
  context: Context,
): Promise<string> {
  const { name, description, lease, lifetime, bootMode, encrypted, kmsKey } = importing;
  const { size, builder, files } = local.manifest;
  const expires = formatExpiry(new Date(Date.now() + lifetime * 1000));
  const temporary = { ...tags, ...lease, [tagKey("expires")]: expires };
  await refuseTakenName(region, name);
  const begun = (await findSnapshots(region, lease)).map(({ SnapshotId, State }) => ({
    id: SnapshotId!,
    state: State ?? "",
  }));
  const content = files.map(({ sha256 }) => sha256).join(" ");
  const upload = {
    region,
    content,
    size,
    description,
    tags: temporary,
    encrypted,
    ...(kmsKey !== undefined && { kmsKey }),
  };
  const snapshot = await withDisk(
    local,
    "raw",
    (disk) => uploadSnapshot({ ...upload, disk }, begun, context),
    context.progress,
    context.signal,
  );
  const imageTags: Tags = { ...temporary, [tagNames.builder]: builderTag(builder) };
  try {
    const { ImageId } = await (
      await ec2(region)
    ).registerImage({
      Name: name,
      Description: description,
      Architecture: "x86_64",
      VirtualizationType: "hvm",
      RootDeviceName: "/dev/xvda",
      BlockDeviceMappings: [
        {
          DeviceName: "/dev/xvda",
          Ebs: {
            ...{ SnapshotId: snapshot, VolumeType: "gp3", DeleteOnTermination: true },
            VolumeSize: Math.max(importing.diskSize, Math.ceil(size / gibibyte)),
          },
        },
      ],
      EnaSupport: true,
      BootMode: bootMode,
      ImdsSupport: "v2.0",
      TagSpecifications: [
        { ResourceType: "image", Tags: Object.entries(imageTags).map(([Key, Value]) => ({ Key, Value })) },
      ],
    });
    context.progress(`${snapshot} uploaded and registered as ${ImageId}`);
    return ImageId!;
  } catch (error) {
    if (errorCode(error) === "InvalidAMIName.Duplicate") throw takenName(region, name);
    throw error;
  }
}

/** Refuses a taken name before anything is uploaded. */
async function refuseTakenName(region: string, name: string): Promise<void> {
  const Filters = [{ Name: "name", Values: [name] }];
  const { Images } = await (await ec2(region)).describeImages({ Owners: ["self"], Filters, IncludeDisabled: true });
  if (Images?.length) throw takenName(region, name, Images[0].ImageId);
}

function takenName(region: string, name: string, id = "another image"): UserError {
  return new UserError({
    where: `image "${name}" in ${region}`,
    found: `${id} already has that name, and names of images are unique`,
    cure: `deregister or rename it, then run \`pulumi up\` again; see \`aws ec2 describe-images --region ${region} --owners self --filters Name=name,Values='${name}'\``,
  });
}
