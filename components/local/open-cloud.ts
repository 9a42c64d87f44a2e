// Opens this computer as a cloud, from the stack's settings.
import type { Opening } from "../open-clouds.ts";
import { LocalCloud } from "./cloud.ts";

export const open: Opening = async (settings, projectDirectory, _state, once) => [
  new LocalCloud(settings, projectDirectory, once),
];
