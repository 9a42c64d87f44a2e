// Waits for an EC2 machine to answer by SSH. If AWS ends the instance (no capacity, a forbidden key, spot), it fails at
// once with AWS's reason. If the instance hangs, it saves the console.
import type { Context } from "../../../provider/resource.ts";
import type { Proxy } from "../../shared/contract.ts";
import { waitForAnswer } from "../../../provider/kit/saved-console.ts";
import { ec2, errorCode } from "./client.ts";
import { stateReason } from "./machines.ts";
import type { Way } from "../../../provider/kit/way-in.ts";
import { findInstance } from "./tagged-resources.ts";

/** Seconds until a machine must answer. */
const bootSeconds = 600;

export interface ReachableMachine {
  region: string;
  /** The machine's name, from its lease. */
  machine: string;
  /** The instance's id. */
  instance: string;
  host: string;
  port: number;
  user: string;
  /** One authorized_keys line. */
  hostKey: string;
  /** The key that logs in, OpenSSH format. */
  privateKey: string;
  /** The bastion that connections go through. */
  proxy?: Proxy;
}

/**
 * Waits until the machine's SSH answers with the host key that it was given.
 * @returns the port and user that answered.
 * @throws UserError if it ends, or doesn't answer in time; then the console's output is saved.
 */
export async function waitUntilReachable(machine: ReachableMachine, context: Context): Promise<Way> {
  const { region, instance, host, port, user, hostKey, privateKey, proxy } = machine;
  return await waitForAnswer(
    {
      what: `instance ${instance} in ${region} at ${host}:${port}`,
      name: machine.machine,
      connection: { host, port, user, hostKey, proxy },
      privateKey,
      deadline: bootSeconds,
      lookAt: `aws ec2 get-console-output --region ${region} --instance-id ${instance} --latest --output text`,
      async state() {
        const found = await findInstance(region, instance);
        const state = found?.State?.Name ?? "gone";
        if (state === "running" || state === "pending") return { state: `${state}, and silent` };
        const cure = "`pulumi up` starts with a fresh machine";
        return { failed: found ? `it is ${state}: ${stateReason(found)}` : "it is gone", cure };
      },
      async console() {
        const { Output = "" } = await consoleOf(region, instance);
        return Buffer.from(Output, "base64").toString("utf8");
      },
    },
    context,
  );
}

/**
 * The console's output: the current one of Nitro machines (nearly all today), the one some minutes after the start of
 * others.
 */
async function consoleOf(region: string, InstanceId: string) {
  const client = await ec2(region);
  try {
    return await client.getConsoleOutput({ InstanceId, Latest: true });
  } catch (error) {
    if (errorCode(error) !== "UnsupportedOperation") throw error;
    return client.getConsoleOutput({ InstanceId });
  }
}
