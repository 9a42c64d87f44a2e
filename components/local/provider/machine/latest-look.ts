// Looks whose results are read later: a look may hang, while its caller watches other things.
import type { Seen } from "../../../../provider/kit/wait.ts";

/** Runs one look at a time. */
export class LatestLook<T> {
  /** What the latest look found; at first, and if it is undecided, a state. */
  seen: Seen<T> = { state: "" };
  /** The error of a look that failed. */
  broken: Error | undefined;
  private current: symbol | undefined;

  /** Starts a look unless one is running. */
  start(look: () => Promise<Seen<T>>): void {
    if (this.current !== undefined) return;
    const own = Symbol("look");
    this.current = own;
    void look()
      .then((found) => {
        if (this.current === own || "done" in found) this.seen = found;
      })
      .catch((error: unknown) => void (this.broken = error as Error))
      .finally(() => {
        if (this.current === own) this.current = undefined;
      });
  }

  /** Lets the next look start although one is running; that one's result only counts if it ends the wait. */
  abandon(): void {
    this.current = undefined;
  }
}
