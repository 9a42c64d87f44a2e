// The settings of a stack on Compute Engine.
import type { Settings } from "../stack-settings.ts";
import type { GceSettings } from "./settings.ts";

/** All settings of the stack, with the cloud's own. */
export interface GceStack extends Settings {
  gce: GceSettings;
}
