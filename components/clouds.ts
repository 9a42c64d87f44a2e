// The clouds there are. Only the module of the cloud in use is loaded: an SDK costs seconds and hundreds of megabytes.
import type { Cloud } from "./cloud.ts";
import type { Settings } from "./settings.ts";

const clouds: Record<string, (settings: Settings, projectDirectory: string) => Promise<Cloud>> = {
  local: async (...args) => new (await import("./local/cloud.ts")).LocalCloud(...args),
};

/** The cloud that the settings name. */
export function openCloud(settings: Settings, projectDirectory: string): Promise<Cloud> {
  return clouds[settings.cloud](settings, projectDirectory);
}
