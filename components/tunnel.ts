// The clouds' own tunnels to machines that nobody reaches by an address: command-line tools, one run of which is one connection.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../common/user-error.ts";
import { call } from "./call.ts";
import { Forward } from "./resources.ts";
import type { Settings } from "./settings.ts";

/** Which there are: on gce the first, on ec2 the others. */
export type Tunnel = "iap" | "instance-connect" | "session-manager";

/**
 * Refuses a tunnel that can't be used: its tools are missing, or the stack has a bastion as well.
 * @param key The stack setting that asks for it.
 */
export async function checkTunnel(tunnel: Tunnel, key: string, { bastion }: Pick<Settings, "bastion">): Promise<void> {
  if (bastion !== undefined) {
    const where = `Pulumi.${pulumi.getStack()}.yaml`;
    throw new UserError({ where, key, found: `${tunnel}, and ci-images:bastion is set`, allowed: "one of them" });
  }
  await call("ci-images:index:tunnelTools", { tunnel });
}

/** A port of this computer that leads to a machine. @param prefix Begins the logical name. */
export function declareForward(
  prefix: string,
  command: pulumi.Output<string[]>,
  options: pulumi.CustomResourceOptions,
): Forward {
  return new Forward(`${prefix}-forward`, { command }, options);
}
