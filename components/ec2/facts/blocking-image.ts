// What the provider's survey of EC2 tells the program of an image that is in the way of a new one.

/** An AMI that AWS gave up on, that somebody has disabled, or that is a copy of one that is gone. */
export interface UselessImage {
  region: string;
  /** The AMI's id. */
  id: string;
  /** The AMI's name, which stays taken. */
  name: string;
  /** The recipe hash. */
  recipe: string;
  /** Its state, and why, in AWS's words; or what is the matter with it. */
  reason: string;
  /** Whether nobody can want it any more. */
  failed: boolean;
}
