// What goes wrong in the fake OpenStack on demand.
import { setTimeout as sleep } from "node:timers/promises";

/** An answer that comes instead of the real one. */
export interface Refusal {
  /** Tried against `METHOD /region/service/path`, and for server actions `... action-name`: `/POST .*createImage/`. */
  matches: RegExp;
  /** 0 cuts the connection. */
  status: number;
  message?: string;
  headers?: Record<string, string>;
  /** How often; once unless told. */
  times?: number;
}

export class Faults {
  /** Answers that come instead of real ones, the first that matches. */
  readonly refusals: Refusal[] = [];
  /** Milliseconds that every call takes at least. */
  latency = 0;
  /**
   * How the next snapshots end, first come first served: the status that the image stays in (`queued`, `killed`, `deleted`,
   * `pending_delete`, `deactivated`), `gone` for an image that vanishes (Nova drops it when the compute host fails),
   * `stuck` for one that is saved for ever, `empty` for one that is active but holds nothing.
   */
  readonly snapshotEnds: string[] = [];
  /** How the next uploads end: the status that the image has then, or `other content` for one whose bytes Glance got wrong. */
  readonly uploadEnds: string[] = [];
  /** How many of the next uploads lose their connection in the middle. */
  cutUploads = 0;
  /** Why the next servers end in ERROR, first come first served. */
  readonly bootFailures: string[] = [];
  /** How many of the next stops are accepted and never happen. */
  ignoredStops = 0;
  /** How many of the next deletions of servers are accepted and never happen. */
  ignoredDeletions = 0;

  /** Refuses calls. */
  refuse(refusal: Refusal): void {
    this.refusals.push({ ...refusal });
  }

  /** The refusal that a call meets, which it uses up. */
  async meet(call: string): Promise<Refusal | undefined> {
    if (this.latency > 0) await sleep(this.latency);
    const index = this.refusals.findIndex(({ matches, times }) => (times ?? 1) > 0 && matches.test(call));
    if (index < 0) return undefined;
    const refusal = this.refusals[index];
    refusal.times = (refusal.times ?? 1) - 1;
    return refusal;
  }
}
