// EC2's images: each is a copy of a container's root, and is pending until that copy is there.
import { setTimeout as delay } from "node:timers/promises";
import type { Ec2Call, Forward } from "./api.ts";
import type { Faults } from "./faults.ts";
import type { Behind } from "./instances.ts";
import { changeEach, texts, withText } from "./xml.ts";

/** Milliseconds that an image is pending at the least. */
const pace = 300;

/** The images of all regions. */
export class Images {
  /** Those that are not, or never will be, available. */
  private readonly states = new Map<string, "pending" | "failed">();
  private readonly work = new Set<Promise<void>>();

  constructor(
    private readonly behind: Behind,
    private readonly faults: Faults,
  ) {}

  /** @returns undefined when the call has nothing to do with images. */
  async answer({ action, parameters }: Ec2Call, forward: Forward) {
    const { dataCentre } = this.behind;
    switch (action) {
      case "CreateImage":
        return this.making(await forward(), (image) => dataCentre.commit(parameters.get("InstanceId") ?? "", image));
      case "CopyImage": {
        const source = parameters.get("SourceImageId") ?? "";
        return this.making(await forward(), async (image) => dataCentre.copyImage(source, image));
      }
      case "DeregisterImage": {
        const answer = await forward();
        if (answer.status === 200) await dataCentre.removeImage(parameters.get("ImageId") ?? "");
        return answer;
      }
      case "DescribeImages": {
        const answer = await forward();
        const put = (image: string, part: string) =>
          withText(part, "imageState", this.states.get(image) ?? "available");
        return { ...answer, body: changeEach(answer.body, "imageId", put) };
      }
      default:
        return undefined;
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.work);
  }

  private making(answer: { status: number; body: string }, make: (image: string) => Promise<void>) {
    if (answer.status !== 200) return answer;
    const [image] = texts(answer.body, "imageId");
    this.states.set(image, "pending");
    const fails = this.faults.failingImages > 0;
    if (fails) this.faults.failingImages--;
    const work = Promise.all([fails ? Promise.reject(new Error("on demand")) : make(image), delay(pace)]).then(
      () => void this.states.delete(image),
      () => void this.states.set(image, "failed"),
    );
    this.work.add(work);
    void work.then(() => this.work.delete(work));
    return answer;
  }
}
