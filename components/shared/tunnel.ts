// The clouds' own tunnels to machines that nobody reaches by an address: command-line tools, one run of which is one connection.
import type * as pulumi from "@pulumi/pulumi";
import type { InputsOf } from "../../common/contract.ts";
import { tunnelTools } from "./contract.ts";
import { invoke } from "./invoke.ts";
import { Forward } from "./resources.ts";

/** Which there are: on gce the first, on ec2 the others. */
export type Tunnel = InputsOf<typeof tunnelTools>["tunnel"];

/** Refuses a tunnel whose tools are missing. */
export async function checkTunnel(tunnel: Tunnel): Promise<void> {
  await invoke(tunnelTools, { tunnel });
}

/** A port of this computer that leads to a machine. @param prefix Begins the logical name. */
export function declareForward(
  prefix: string,
  command: pulumi.Output<string[]>,
  options: pulumi.CustomResourceOptions,
): Forward {
  return new Forward(`${prefix}-forward`, { command }, options);
}
