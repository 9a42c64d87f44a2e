// Faults of the fake Compute API, on demand.
import { setTimeout as sleep } from "node:timers/promises";

/** A refused request, or an accepted operation that fails. */
export interface Fault {
  /** Matched against `METHOD projects/P/zones/Z/instances/I`, for example `/^POST .*\/images$/`. */
  matches: RegExp;
  /** The API's error reason: `rateLimitExceeded`, `QUOTA_EXCEEDED`. */
  reason: string;
  /** The HTTP status. */
  status: number;
  message?: string;
  /** How often; once by default. */
  times?: number;
}

/** The faults of one fake API. */
export class Faults {
  /** Minimum duration of every call, in milliseconds. */
  latency = 0;
  /** States in which the next images end, in order. A `FAILED` image continues to exist. */
  readonly imageEnds: string[] = [];
  private readonly refusals: Fault[] = [];
  private readonly failures: Fault[] = [];

  /** Makes matching calls fail at once. */
  refuse(fault: Fault): void {
    this.refusals.push({ ...fault });
  }

  /** Accepts matching changes, but makes their operations fail without an effect. */
  fail(fault: Fault): void {
    this.failures.push({ ...fault });
  }

  /** Takes the refusal that a call meets, if any. */
  async refusal(call: string): Promise<Fault | undefined> {
    if (this.latency > 0) await sleep(this.latency);
    return take(this.refusals, call);
  }

  /** Takes the failure that a change's operation meets, if any. */
  failure(call: string): Fault | undefined {
    return take(this.failures, call);
  }
}

function take(faults: Fault[], call: string): Fault | undefined {
  const found = faults.find(({ matches, times }) => (times ?? 1) > 0 && matches.test(call));
  if (found) found.times = (found.times ?? 1) - 1;
  return found;
}
