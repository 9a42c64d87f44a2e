// Faults of the test cloud's EC2, on demand.
import { setTimeout as delay } from "node:timers/promises";

/** A fault of one action's calls. */
export interface Fault {
  /** The API's name of the action: `RunInstances`. */
  action: string;
  /** How often; once by default. */
  times?: number;
  /** Limits the fault to calls in this region. */
  region?: string;
  /** Refuses the call with this error. Without it, the call continues after `first`. */
  error?: { code: string; message: string; status?: number };
  /** Cuts the connection instead of answering. */
  cut?: true;
  /** Carries the call out, then cuts the connection; for the EBS direct APIs. */
  lost?: true;
  /** Sets headers of the answer: `{ "x-amz-checksum": "of something else" }`. */
  headers?: Record<string, string>;
  /** Runs before the call continues or is refused. */
  first?: () => Promise<void>;
}

/** EC2's throttling error. */
export const throttling = { code: "RequestLimitExceeded", message: "Request limit exceeded.", status: 503 };

/** EC2's error for an exceeded vCPU quota. */
export const quota = {
  code: "VcpuLimitExceeded",
  message:
    "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the specified " +
    "instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
};

/**
 * AWS's reason for ending an instance whose KMS key it may not use:
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
 */
export const unusableKey = { code: "Client.InternalError", message: "Client.InternalError: Client error on launch" };

/** All faults, and the latency. */
export class Faults {
  /** Minimum duration of every call, in milliseconds. */
  latency = 0;
  /** Regions in which the next image fails; undefined means any region. */
  private readonly failing: (string | undefined)[] = [];
  /** Reasons for which the next instances end right after their launch. */
  private ends: { code: string; message: string }[] = [];
  private waiting: (Fault & { times: number })[] = [];

  /** Makes the next calls of an action fail. */
  add(fault: Fault): void {
    this.waiting.push({ times: 1, ...fault });
  }

  /** Removes all faults. */
  clear(): void {
    this.waiting = [];
    this.latency = 0;
    this.failing.length = 0;
    this.ends = [];
  }

  /** Makes AWS end the next instance right after its launch, as for an unusable key. */
  endNextInstance(reason: { code: string; message: string }): void {
    this.ends.push(reason);
  }

  /** Takes the reason for which the instance being launched must end, if any. */
  takeEnd(): { code: string; message: string } | undefined {
    return this.ends.shift();
  }

  /** Makes the next image or copy end as `failed`. @param region Limits this to one region. */
  failNextImage(region?: string): void {
    this.failing.push(region);
  }

  /** Whether the image being made in this region must fail; uses up that fault. */
  takeFailure(region: string): boolean {
    const index = this.failing.findIndex((each) => (each ?? region) === region);
    if (index >= 0) this.failing.splice(index, 1);
    return index >= 0;
  }

  /** Faults that no call has met yet. */
  get unmet(): string[] {
    return [
      ...this.waiting.map(({ action }) => action),
      ...this.failing.map(() => "an image that fails"),
      ...this.ends.map(() => "an end"),
    ];
  }

  /** Waits for the latency, then takes the fault that the call meets, if any. */
  async meet(action: string, region: string): Promise<Fault | undefined> {
    if (this.latency > 0) await delay(this.latency);
    const fault = this.waiting.find((each) => each.action === action && (each.region ?? region) === region);
    if (fault && --fault.times === 0) this.waiting = this.waiting.filter((each) => each !== fault);
    await fault?.first?.();
    return fault;
  }
}
