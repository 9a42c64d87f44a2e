// From the stack's settings to this computer as a cloud.
import type { Opening } from "../open-clouds.ts";
import { LocalCloud } from "./cloud.ts";

export const open: Opening = async (settings, projectDirectory) => [new LocalCloud(settings, projectDirectory)];
