// Attributes of images that moto does not implement: deprecation, deregistration protection, metadata service.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html
import type { Ec2Call } from "./api.ts";
import { errorAnswer, okAnswer, withElements } from "./xml.ts";

interface Attributes {
  deprecationTime?: string;
  deregistrationProtection?: string;
  imdsSupport?: string;
}

/** The attributes of all images. */
export class ImageAttributes {
  private readonly known = new Map<string, Attributes>();

  /** Sets an image's deprecation time, also for publishers' images. */
  deprecate(image: string, at: string): void {
    this.known.set(image, { ...this.known.get(image), deprecationTime: at });
  }

  isDeprecated(image: string): boolean {
    return Date.parse(this.known.get(image)?.deprecationTime ?? "") < Date.now();
  }

  /** @returns the answer; undefined if the call is about something else. */
  answer({ action, parameters }: Ec2Call): { status: number; body: string } | undefined {
    const image = parameters.get("ImageId") ?? "";
    const attributes = this.known.get(image) ?? {};
    const set = (changed: Attributes) => {
      this.known.set(image, { ...attributes, ...changed });
      return { status: 200, body: okAnswer(action) };
    };
    switch (action) {
      case "EnableImageDeprecation":
        // EC2 rounds to the minute.
        return set({ deprecationTime: (parameters.get("DeprecateAt") ?? "").replace(/:\d\d(\.\d+)?Z$/, ":00.000Z") });
      case "DisableImageDeprecation":
        return set({ deprecationTime: undefined });
      case "EnableImageDeregistrationProtection":
        return set({ deregistrationProtection: "enabled-without-cooldown" });
      case "DisableImageDeregistrationProtection":
        return set({ deregistrationProtection: "disabled" });
      case "ModifyImageAttribute":
        if (!parameters.has("ImdsSupport.Value")) return undefined;
        return set({ imdsSupport: parameters.get("ImdsSupport.Value")! });
      case "DeregisterImage": {
        if (!attributes.deregistrationProtection?.startsWith("enabled")) return undefined;
        const message = `The image ${image} has deregistration protection turned on. Disable it and try again.`;
        return { status: 400, body: errorAnswer("OperationNotPermitted", message) };
      }
      default:
        return undefined;
    }
  }

  /** Adds the attributes to an image's part of an answer. */
  put(image: string, part: string): string {
    return withElements(part, "imageId", { ...this.known.get(image) });
  }
}
