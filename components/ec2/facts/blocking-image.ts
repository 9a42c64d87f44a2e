// An image that blocks a new one, as reported by the provider's survey of EC2.

/** An AMI that AWS failed to make, that somebody disabled, or whose original was deleted. */
export interface UselessImage {
  region: string;
  /** The AMI's id. */
  id: string;
  /** The AMI's name, which stays taken. */
  name: string;
  /** The recipe hash. */
  recipe: string;
  /** Its state and AWS's reason for it, or what is wrong with it. */
  reason: string;
  /** Why it is not used. A failed one is good for nothing, so it can be removed. */
  kind: "failed" | "disabled" | "orphaned";
}
