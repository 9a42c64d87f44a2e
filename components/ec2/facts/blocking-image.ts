// An image that blocks a new one, as the provider's survey of EC2 reports it to the program.

/** An AMI that AWS failed to make, that somebody disabled, or that is a copy of a deleted one. */
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
  /** True if it is of no use to anybody. */
  failed: boolean;
}
