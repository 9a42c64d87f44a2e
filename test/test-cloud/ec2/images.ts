// EC2's images: each is a copy of a container's root, and is pending until the copy is complete.
import { setTimeout as delay } from "node:timers/promises";
import type { Ec2Call, Forward } from "./api.ts";
import type { Faults } from "./faults.ts";
import { CreateTagsCommand, DeleteSnapshotCommand, DescribeImagesCommand } from "@aws-sdk/client-ec2";
import type { DirectSnapshots } from "./direct-snapshots.ts";
import { ImageAttributes } from "./image-attributes.ts";
import type { Behind } from "./instances.ts";
import type { Refusal } from "./service-model.ts";
import { changeEach, errorAnswer, texts, withElements, withIds, withText } from "./xml.ts";

/** Minimum time for which an image is pending, in milliseconds. */
const pace = 300;

/** moto's only account, which all tests use. */
const account = "123456789012";

/** EC2's state reason for a failed image. */
const failure = "<code>Server.InternalError</code><message>An internal error has occurred</message>";

/** The images of all regions. */
export class Images {
  readonly attributes = new ImageAttributes();
  /** Images that are not available yet, have failed, or were disabled. */
  private readonly states = new Map<string, "pending" | "failed" | "disabled">();
  /** Creation dates that differ from moto's. */
  readonly creationDates = new Map<string, string>();
  /** Attributes of registered images, which moto does not store. */
  private readonly registered = new Map<string, Record<string, string>>();
  /** Snapshots that moto, unlike AWS, has created for registered images. */
  readonly invented = new Map<string, string>();
  private readonly work = new Set<Promise<void>>();

  constructor(
    private readonly behind: Behind,
    private readonly faults: Faults,
    private readonly snapshots: DirectSnapshots,
  ) {}

  /** Pending, failed and disabled images can be neither launched nor copied. */
  refusalOf({ action, parameters }: Ec2Call): Refusal | undefined {
    const used = { RunInstances: "ImageId", CopyImage: "SourceImageId" }[action];
    const source = used === undefined ? "" : (parameters.get(used) ?? "");
    if (!this.states.has(source) || !this.behind.rules.on.has("available images only")) return undefined;
    return { code: "InvalidAMIID.Unavailable", message: `The image ID '${source}' is not available` };
  }

  /** @returns the answer; undefined if the call is not about images. */
  async answer(call: Ec2Call, forward: Forward) {
    const { action, region, parameters } = call;
    const { dataCentre } = this.behind;
    const answered = this.attributes.answer(call);
    if (answered) return answered;
    switch (action) {
      case "CreateImage":
        return this.making(region, await forward(), (image) =>
          dataCentre.commit(parameters.get("InstanceId") ?? "", image),
        );
      case "CopyImage": {
        const source = parameters.get("SourceImageId") ?? "";
        return this.making(region, await forward(), async (image) => dataCentre.copyImage(source, image));
      }
      case "RegisterImage":
        return this.register(region, parameters, forward);
      case "DisableImage":
      case "EnableImage": {
        const answer = await forward();
        const image = parameters.get("ImageId") ?? "";
        // An answer's states are ours, not moto's.
        if (answer.status === 200 && action === "DisableImage") this.states.set(image, "disabled");
        if (answer.status === 200 && action === "EnableImage") this.states.delete(image);
        return answer;
      }
      case "DescribeSnapshots": {
        const answer = await forward();
        const put = (id: string, part: string) => {
          const state = this.snapshots.all.get(id)?.state;
          return state === undefined ? part : withText(part, "status", state);
        };
        return { ...answer, body: changeEach(answer.body, "snapshotSet", "snapshotId", put) };
      }
      case "DeregisterImage": {
        const answer = await forward();
        const image = parameters.get("ImageId") ?? "";
        if (answer.status === 200) await dataCentre.removeImage(image);
        const SnapshotId = this.invented.get(image);
        if (SnapshotId) await this.behind.client(region).send(new DeleteSnapshotCommand({ SnapshotId }));
        this.invented.delete(image);
        return answer;
      }
      case "DescribeImages": {
        const answer = await this.withoutHidden(parameters, await forward(), forward);
        return {
          ...answer,
          body: changeEach(answer.body, "imagesSet", "imageId", (image, part) => this.put(image, part)),
        };
      }
      default:
        return undefined;
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.work);
  }

  /** Removes other accounts' deprecated images from an answer, unless the request asks for them. */
  private async withoutHidden(parameters: URLSearchParams, answer: { status: number; body: string }, forward: Forward) {
    const asked = parameters.get("IncludeDeprecated") === "true" || parameters.has("ImageId.1");
    if (asked || !this.behind.rules.on.has("hidden deprecated images")) return answer;
    const ids = texts(answer.body, "imageId");
    const owners = texts(answer.body, "imageOwnerId");
    const hidden = ids.filter((id, index) => owners[index] !== account && this.attributes.isDeprecated(id));
    if (hidden.length === 0) return answer;
    return await forward(
      withIds(
        parameters,
        "ImageId",
        ids.filter((id) => !hidden.includes(id)),
      ),
    );
  }

  /** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html */
  private async register(region: string, parameters: URLSearchParams, forward: Forward) {
    const own = this.behind.client(region);
    const given = (name: string) => parameters.get(name) ?? "";
    const [name, snapshotId] = [given("Name"), given("BlockDeviceMapping.1.Ebs.SnapshotId")];
    const { Images: all = [] } = await own.send(new DescribeImagesCommand({ Owners: ["self"] }));
    const refused = (code: string, message: string) => ({ status: 400, body: errorAnswer(code, message) });
    if (all.some(({ Name }) => Name === name)) {
      return refused("InvalidAMIName.Duplicate", `AMI name ${name} is already in use by AMI ${all[0].ImageId}`);
    }
    const snapshot = this.snapshots.all.get(snapshotId);
    if (!snapshot) return refused("InvalidSnapshot.NotFound", `The snapshot '${snapshotId}' does not exist.`);
    if (snapshot.state !== "completed") return refused("InvalidParameterValue", "the snapshot is not completed");
    const volume = given("BlockDeviceMapping.1.Ebs.VolumeSize");
    if (Number(volume) < snapshot.size) return refused("InvalidBlockDeviceMapping", "Volume is smaller than snapshot");
    const answer = await forward();
    const [image] = texts(answer.body, "imageId");
    const { Images = [] } = await own.send(new DescribeImagesCommand({ ImageIds: [image] }));
    // moto creates its own snapshot, which must be deleted with the image.
    const [device] = Images[0].BlockDeviceMappings ?? [];
    this.invented.set(image, device.Ebs!.SnapshotId!);
    const tags = [...parameters.keys()].flatMap((key) => {
      const found = /^(TagSpecification\.\d+\.Tag\.\d+)\.Key$/.exec(key);
      return found ? [{ Key: given(key), Value: given(`${found[1]}.Value`) }] : [];
    });
    if (tags.length > 0) await own.send(new CreateTagsCommand({ Resources: [image], Tags: tags }));
    this.registered.set(image, {
      snapshotId,
      ...{ bootMode: given("BootMode"), architecture: given("Architecture"), enaSupport: given("EnaSupport") },
      ...{ rootDeviceName: given("RootDeviceName"), deviceName: given("BlockDeviceMapping.1.DeviceName") },
      ...{ volumeSize: volume, volumeType: given("BlockDeviceMapping.1.Ebs.VolumeType") },
    });
    const disk = this.snapshots.diskOf(snapshotId);
    return this.making(region, answer, async () => {
      if (disk !== undefined) await this.behind.dataCentre.importDisk(image, disk);
    });
  }

  private put(image: string, part: string): string {
    const state = this.states.get(image) ?? "available";
    const date = this.creationDates.get(image);
    const registered = Object.entries(this.registered.get(image) ?? {});
    const told = registered.reduce(
      (text, [element, value]) =>
        text.includes(`<${element}>`)
          ? withText(text, element, value)
          : withElements(text, "imageId", { [element]: value }),
      part,
    );
    const dated = date === undefined ? told : withText(told, "creationDate", date);
    const stated = withText(this.attributes.put(image, dated), "imageState", state);
    return state === "failed" ? withElements(stated, "imageId", { stateReason: failure }) : stated;
  }

  private making(region: string, answer: { status: number; body: string }, make: (image: string) => Promise<void>) {
    if (answer.status !== 200) return answer;
    const [image] = texts(answer.body, "imageId");
    this.states.set(image, "pending");
    const fails = this.faults.takeFailure(region);
    const work = Promise.all([fails ? Promise.reject(new Error("on demand")) : make(image), delay(pace)]).then(
      () => void this.states.delete(image),
      () => void this.states.set(image, "failed"),
    );
    this.work.add(work);
    void work.then(() => this.work.delete(work));
    return answer;
  }
}
