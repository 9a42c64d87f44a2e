// What goes wrong in the test cloud's EC2 on demand.
import { setTimeout as delay } from "node:timers/promises";

/** What happens to calls of one action. */
export interface Fault {
  /** The API's name of the action: `RunInstances`. */
  action: string;
  /** How often; once unless told. */
  times?: number;
  /** Only calls of this region. */
  region?: string;
  /** Refuses the call with this error. Without it the call goes on after `first`. */
  error?: { code: string; message: string; status?: number };
  /** Cuts the connection instead of an answer. */
  cut?: true;
  /** Lets the call's answer have these headers: `{ "x-amz-checksum": "of something else" }`. */
  headers?: Record<string, string>;
  /** Is done before the call goes on or is refused. */
  first?: () => Promise<void>;
}

/** The error of an API that is called too often, as EC2 words it. */
export const throttling = { code: "RequestLimitExceeded", message: "Request limit exceeded.", status: 503 };

/** The error of an account that may not have more machines. */
export const quota = {
  code: "VcpuLimitExceeded",
  message:
    "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the specified " +
    "instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
};

/** How AWS ends an instance whose KMS key it may not use. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html */
export const unusableKey = { code: "Client.InternalError", message: "Client.InternalError: Client error on launch" };

/** What goes wrong, and how slow it all is. */
export class Faults {
  /** Milliseconds that every call takes at least. */
  latency = 0;
  /** Regions in which the next image ends in `failed`; undefined is any. */
  private readonly failing: (string | undefined)[] = [];
  /** Why the next instances end as soon as they are launched. */
  private ends: { code: string; message: string }[] = [];
  private waiting: (Fault & { times: number })[] = [];

  /** Lets the next calls of an action fail. */
  add(fault: Fault): void {
    this.waiting.push({ times: 1, ...fault });
  }

  /** Nothing goes wrong any more. */
  clear(): void {
    this.waiting = [];
    this.latency = 0;
    this.failing.length = 0;
    this.ends = [];
  }

  /** Lets AWS end the next instance as soon as it is launched, as one whose key can't be used. */
  endNextInstance(reason: { code: string; message: string }): void {
    this.ends.push(reason);
  }

  /** Whether the instance that is being launched is to end; uses that up. */
  takeEnd(): { code: string; message: string } | undefined {
    return this.ends.shift();
  }

  /** Lets the next image that is made or copied end in `failed`. @param region Only one that is made there. */
  failNextImage(region?: string): void {
    this.failing.push(region);
  }

  /** Whether the image that is being made in this region is to fail; uses that up. */
  takeFailure(region: string): boolean {
    const index = this.failing.findIndex((each) => (each ?? region) === region);
    if (index >= 0) this.failing.splice(index, 1);
    return index >= 0;
  }

  /** Faults that no call has met. */
  get unmet(): string[] {
    return [
      ...this.waiting.map(({ action }) => action),
      ...this.failing.map(() => "an image that fails"),
      ...this.ends.map(() => "an end"),
    ];
  }

  /** Takes the call's time, and uses up and returns the fault that it meets. */
  async meet(action: string, region: string): Promise<Fault | undefined> {
    if (this.latency > 0) await delay(this.latency);
    const fault = this.waiting.find((each) => each.action === action && (each.region ?? region) === region);
    if (fault && --fault.times === 0) this.waiting = this.waiting.filter((each) => each !== fault);
    await fault?.first?.();
    return fault;
  }
}
