// The program: settings -> worker images -> outputs. Refuses everything that it can before the first resource is
// declared.
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "./common/user-error.ts";
import { readSettings } from "./components/stack-settings.ts";
import { bakeAll } from "./components/life-cycle/worker-images.ts";

const projectDirectory = fileURLToPath(new URL("./", import.meta.url));

/** Pulumi calls it; it returns the stack's outputs, described in components/life-cycle/outputs.ts. */
export default async function declare() {
  try {
    return await bakeAll(readSettings(), projectDirectory);
  } catch (error) {
    // Pulumi shows a RunError as its message, and anything else as an unhandled exception.
    if (!(error instanceof UserError)) throw error;
    const refused = new pulumi.RunError(error.message);
    // Nobody reads this trace, and Node would read the source maps of all of Pulumi for it, which can take a minute.
    refused.stack = refused.message;
    throw refused;
  }
}
