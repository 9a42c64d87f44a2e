// The Pulumi program: reads the settings, declares the worker images, and returns the outputs. Refuses bad input before
// it declares the first resource.
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "./common/user-error.ts";
import { startPlugin } from "./components/shared/start-plugin.ts";

const projectDirectory = fileURLToPath(new URL("./", import.meta.url));

/** Called by Pulumi; returns the stack's outputs, which components/life-cycle/outputs.ts describes. */
export default async function declare() {
  startPlugin(new pulumi.Config("ci-images").get("cloud") ?? "local");
  const [{ readSettings }, { bakeAll }] = await Promise.all([
    import("./components/stack-settings.ts"),
    import("./components/life-cycle/worker-images.ts"),
  ]);
  try {
    return await bakeAll(readSettings(), projectDirectory);
  } catch (error) {
    // Pulumi shows a RunError as its message, and anything else as an unhandled exception.
    if (!(error instanceof UserError)) throw error;
    const refused = new pulumi.RunError(error.message);
    // Drop the trace, which nobody reads: for it, Node would read the source maps of all of Pulumi, up to a minute.
    refused.stack = refused.message;
    throw refused;
  }
}
