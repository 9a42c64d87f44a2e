// The settings of a stack on an OpenStack.
import type { Settings } from "../stack-settings.ts";
import type { OpenStackSettings } from "./settings.ts";

/** All settings of the stack, with the cloud's own, whether its file has them under `openstack` or `rackspace`. */
export interface OpenStackStack extends Settings {
  openstack: OpenStackSettings;
}
