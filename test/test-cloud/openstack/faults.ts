// Faults of the fake OpenStack, on demand.
import { setTimeout as sleep } from "node:timers/promises";

/** A refused request. */
export interface Refusal {
  /**
   * Matched against `METHOD /region/service/path`, plus the name of a server action, for example `/POST
   * .*createImage/`.
   */
  matches: RegExp;
  /** The HTTP status; 0 cuts the connection. */
  status: number;
  message?: string;
  headers?: Record<string, string>;
  /** How often; once by default. */
  times?: number;
}

export class Faults {
  /** Refusals. The first match applies. */
  readonly refusals: Refusal[] = [];
  /** Minimum duration of every call, in milliseconds. */
  latency = 0;
  /**
   * How the next snapshots end, in order: with the image in a status (`queued`, `killed`, `deleted`, `pending_delete`,
   * `deactivated`), `gone` (Nova deletes the image if the compute host fails), `stuck` (saving never ends) or `empty`
   * (active without content).
   */
  readonly snapshotEnds: string[] = [];
  /** How the next uploads end: with the image in this status, or `other content` if Glance receives different bytes. */
  readonly uploadEnds: string[] = [];
  /** The number of next uploads that lose their connection. */
  cutUploads = 0;
  /** Reasons for which the next servers end in ERROR, in order. */
  readonly bootFailures: string[] = [];
  /** Fields by which Neutron's lists can't be filtered, because it is older than the field: it ignores such a filter. */
  readonly unknownFilters: string[] = [];
  /** The number of next stops that are accepted but never happen. */
  ignoredStops = 0;
  /** The number of next server deletions that are accepted but never happen. */
  ignoredDeletions = 0;

  /** Makes matching calls fail. */
  refuse(refusal: Refusal): void {
    this.refusals.push({ ...refusal });
  }

  /** Takes the refusal that a call meets, if any. */
  async meet(call: string): Promise<Refusal | undefined> {
    if (this.latency > 0) await sleep(this.latency);
    const index = this.refusals.findIndex(({ matches, times }) => (times ?? 1) > 0 && matches.test(call));
    if (index < 0) return undefined;
    const refusal = this.refusals[index];
    refusal.times = (refusal.times ?? 1) - 1;
    return refusal;
  }
}
