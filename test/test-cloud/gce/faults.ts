// What goes wrong in the fake Compute API on demand.
import { setTimeout as sleep } from "node:timers/promises";

/** An answer that comes instead of the real one, or an operation that is accepted and fails. */
export interface Fault {
  /** Tried against `METHOD projects/P/zones/Z/instances/I`: `/^POST .*\/images$/`. */
  matches: RegExp;
  /** What the API calls it: `rateLimitExceeded`, `QUOTA_EXCEEDED`. */
  reason: string;
  /** The HTTP status of an answer. */
  status: number;
  message?: string;
  /** How often; once unless told. */
  times?: number;
}

/** The faults of one fake API. */
export class Faults {
  /** Milliseconds that every call takes at least. */
  latency = 0;
  /** How the next images end, first come first served: `FAILED` stays there as such when its operation has failed. */
  readonly imageEnds: string[] = [];
  private readonly refusals: Fault[] = [];
  private readonly failures: Fault[] = [];

  /** Refuses calls at once. */
  refuse(fault: Fault): void {
    this.refusals.push({ ...fault });
  }

  /** Accepts changes, whose operations then fail without having done anything. */
  fail(fault: Fault): void {
    this.failures.push({ ...fault });
  }

  /** The refusal that a call meets, which it uses up. */
  async refusal(call: string): Promise<Fault | undefined> {
    if (this.latency > 0) await sleep(this.latency);
    return take(this.refusals, call);
  }

  /** The failure that a change's operation meets, which it uses up. */
  failure(call: string): Fault | undefined {
    return take(this.failures, call);
  }
}

function take(faults: Fault[], call: string): Fault | undefined {
  const found = faults.find(({ matches, times }) => (times ?? 1) > 0 && matches.test(call));
  if (found) found.times = (found.times ?? 1) - 1;
  return found;
}
