// The settings of a stack on EC2.
import type { Settings } from "../stack-settings.ts";
import type { Ec2Settings } from "./settings.ts";

/** All settings of the stack, with the cloud's own. */
export interface Ec2Stack extends Settings {
  ec2: Ec2Settings;
}
