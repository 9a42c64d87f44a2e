// From the stack's settings to this computer as a cloud.
import type { Opening } from "../open-clouds.ts";
import { LocalCloud } from "./cloud.ts";

export const open: Opening = async (settings, projectDirectory, _state, once) => [
  new LocalCloud(settings, projectDirectory, once),
];
