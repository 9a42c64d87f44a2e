// Starts our plugin before the program needs it. The engine starts a plugin when it is first called, and loading it takes
// as long as loading the program: side by side, both are ready sooner.
import { ready } from "./contract.ts";
import { invoke } from "./invoke.ts";

/**
 * Makes the engine start the plugin, and the plugin load a cloud's part. Returns at once.
 * @param cloud The setting `ci-images:cloud`, not checked yet: a cloud that does not exist loads nothing.
 */
export function startPlugin(cloud: string): void {
  // A plugin that can't be started makes every later call fail, too, and they report it.
  invoke(ready(cloud), {}).catch(() => undefined);
}
