// EC2's images: each is a copy of a container's root, and is pending until that copy is there.
import { setTimeout as delay } from "node:timers/promises";
import type { Ec2Call, Forward } from "./api.ts";
import type { Faults } from "./faults.ts";
import { ImageAttributes } from "./image-attributes.ts";
import type { Behind } from "./instances.ts";
import type { Refusal } from "./service-model.ts";
import { changeEach, texts, withElements, withIds, withText } from "./xml.ts";

/** Milliseconds that an image is pending at the least. */
const pace = 300;

/** Whose credentials all tests have: moto's only account. */
const account = "123456789012";

/** What EC2 says of an image that it gave up on. */
const failure = "<code>Server.InternalError</code><message>An internal error has occurred</message>";

/** The images of all regions. */
export class Images {
  readonly attributes = new ImageAttributes();
  /** Those that are not, or never will be, available. */
  private readonly states = new Map<string, "pending" | "failed">();
  /** When images were made, where that is not when moto says. */
  readonly creationDates = new Map<string, string>();
  private readonly work = new Set<Promise<void>>();

  constructor(
    private readonly behind: Behind,
    private readonly faults: Faults,
  ) {}

  /** Images that are pending or failed can be neither launched nor copied. */
  refusalOf({ action, parameters }: Ec2Call): Refusal | undefined {
    const used = { RunInstances: "ImageId", CopyImage: "SourceImageId" }[action];
    const source = used === undefined ? "" : (parameters.get(used) ?? "");
    if (!this.states.has(source) || !this.behind.rules.on.has("available images only")) return undefined;
    return { code: "InvalidAMIID.Unavailable", message: `The image ID '${source}' is not available` };
  }

  /** @returns undefined when the call has nothing to do with images. */
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
      case "DeregisterImage": {
        const answer = await forward();
        if (answer.status === 200) await dataCentre.removeImage(parameters.get("ImageId") ?? "");
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

  /** Of other people's images the deprecated ones are not told of, unless they are asked for. */
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

  private put(image: string, part: string): string {
    const state = this.states.get(image) ?? "available";
    const date = this.creationDates.get(image);
    const dated = date === undefined ? part : withText(part, "creationDate", date);
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
