// The provider's main program. The engine starts it with the engine's address as the argument, and reads the provider's
// port from standard output.
import { readFileSync } from "node:fs";
import { main } from "@pulumi/pulumi/provider/index.js";
import { EngineLog } from "./engine-log.ts";
import { withSystemDirectories } from "../toolchain/system-directories.mjs";
import { reapMachines } from "../components/local/provider/machine/machines.ts";
import { parts } from "./registry.ts";
import { ImagesProvider } from "./server.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const address = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
if (address === undefined) {
  console.error("pulumi-resource-ci-images is started by `pulumi`, with the engine's address as its argument");
  process.exit(2);
}
process.env.PATH = withSystemDirectories(process.env.PATH);
const log = new EngineLog(address);
const images = new ImagesProvider(version, log, parts);
watchEngine(process.ppid);
await cleanUp();
await main(images, process.argv.slice(2));

/**
 * Removes machines that crashes left on this computer, of any project. They may have nothing to do with the present
 * command, so a failed removal is only a warning.
 */
async function cleanUp(): Promise<void> {
  try {
    for (const { name, reason, problem } of await reapMachines()) {
      if (problem !== undefined) log.warn(`could not remove the leftover machine ${name} (${reason}): ${problem}`);
    }
  } catch (error) {
    log.warn(`could not look for machines left over on this computer: ${(error as Error).message}`);
  }
  await log.flush();
}

/**
 * Ends this process soon after the engine's. A killed engine sends no cancellation, and a base image or machine in the
 * making would be orphaned.
 */
function watchEngine(engine: number): void {
  let isEnding = false;
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    void images.cancel();
    // Running operations end their child processes within this time.
    setTimeout(() => process.exit(1), 2000);
  };
  setInterval(() => {
    if (process.ppid !== engine) end();
  }, 250).unref();
  // Without a handler, EPIPE is uncaught; the SDK prints it, which raises EPIPE again, forever, and no timer would run.
  process.stdout.on("error", end);
  process.stderr.on("error", end);
}
