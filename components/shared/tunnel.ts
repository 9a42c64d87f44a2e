// The clouds' own tunnels to machines whose addresses can't be reached: command-line tools, run once per connection.
import type * as pulumi from "@pulumi/pulumi";
import type { InputsOf } from "../../common/contract.ts";
import { tunnelTools } from "./contract.ts";
import { invoke } from "./invoke.ts";
import { Forward } from "./resources.ts";

/** The supported tunnels: the first one on gce, the others on ec2. */
export type Tunnel = InputsOf<typeof tunnelTools>["tunnel"];

/** Refuses a tunnel whose tools are missing. */
export async function checkTunnel(tunnel: Tunnel): Promise<void> {
  await invoke(tunnelTools, { tunnel });
}

/** A local port that leads to a machine. @param prefix Prefix of the logical name. */
export function declareForward(
  prefix: string,
  command: pulumi.Output<string[]>,
  options: pulumi.CustomResourceOptions,
): Forward {
  return new Forward(`${prefix}-forward`, { command }, options);
}
