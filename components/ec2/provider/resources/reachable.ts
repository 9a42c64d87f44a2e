// Waits until a machine can be reached, and outputs its address. The public address changes with every start, and the
// official instance resource would learn it only on a refresh.
import type { Instance } from "@aws-sdk/client-ec2";
import { UserError } from "../../../../common/user-error.ts";
import { asking } from "../client.ts";
import { isStoppedOpen, startInstance, stateReason } from "../machines.ts";
import { waitUntilReachable } from "../reachable.ts";
import { findInstance } from "../tagged-resources.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Reachable } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { waitFor } from "../../../../provider/kit/wait.ts";
import type { Way } from "../../../../provider/kit/way-in.ts";

type ReachableInputs = InputsOf<typeof Reachable>;

export const ec2Reachable = implement(Reachable, {
  /** Detects that somebody stopped or restarted it: its address has changed. */
  async drift(_id, { region, instance, address, forward, power, host }) {
    if (power === "off") return "none";
    const found = await asking(`looking at ${instance} in ${region}`, () => findInstance(region, instance));
    if (found && isStoppedOpen(found)) return "update";
    const now = forward ?? (found && addressOf(found, address));
    return now === undefined || now === host ? "none" : "update";
  },

  async create(inputs, context) {
    return { id: inputs.instance, outputs: { ...inputs, ...(await reach(inputs, undefined, context)) } };
  },

  async update(_id, before, inputs, context) {
    return { ...inputs, ...(await reach(inputs, before, context)) };
  },
});

/**
 * Starts the machine if somebody stopped it, and waits until it answers.
 * @param before Its last known address.
 * @returns its current address.
 */
async function reach(
  inputs: ReachableInputs,
  before: (Way & { host: string }) | undefined,
  context: Context,
): Promise<Way & { host: string }> {
  const { region, instance, address, forward, power } = inputs;
  return asking(`waiting for ${instance} in ${region}`, async () => {
    const found = await findInstance(region, instance);
    if (power === "off") {
      const last = forward ?? (found && addressOf(found, address)) ?? before?.host ?? found?.PrivateIpAddress;
      if (last === undefined) throw new UserError({ where: `instance ${instance} in ${region}`, found: "it is gone" });
      // Only these: the rest of the earlier state has the inputs from before it was powered off.
      const { sshPort, sshUser } = before ?? { sshPort: inputs.port, sshUser: inputs.user };
      return { sshPort, sshUser, host: last };
    }
    if (found && isStoppedOpen(found)) {
      await startInstance(region, instance, context);
      context.progress(`${instance} in ${region} had been stopped elsewhere: started it again`);
    }
    // Not the old address: another machine may have it now.
    const host = forward ?? (await waitForAddress(inputs, context));
    return { host, ...(await waitUntilReachable({ ...inputs, host }, context)) };
  });
}

/** Seconds a running instance gets for its address; after that it never gets one. */
const addressSeconds = 30;

async function waitForAddress({ region, instance, address }: ReachableInputs, context: Context): Promise<string> {
  const started = Date.now();
  return waitFor<string>(
    {
      what: `instance ${instance} in ${region}`,
      until: "to have an address",
      deadline: 2 * addressSeconds,
      lookAt: `aws ec2 describe-instances --region ${region} --instance-ids ${instance}`,
      async look() {
        const found = await findInstance(region, instance);
        const now = found && addressOf(found, address);
        if (now !== undefined) return { done: now };
        const state = found?.State?.Name;
        const isUp = state === "running" || state === "pending";
        if (isUp && Date.now() - started < addressSeconds * 1000) return { state: `${state}, without an address` };
        const cure = isUp
          ? "see ci-images:ec2.address and ci-images:ec2.subnet"
          : "`pulumi up` starts with a fresh machine";
        if (!found) return { failed: "it is gone", cure };
        return { failed: `it is ${state} and has no ${address} address: ${stateReason(found)}`, cure };
      },
    },
    context,
  );
}

/** @returns undefined if it has none: a stopped machine has no public address. */
function addressOf(instance: Instance, which: "public" | "private"): string | undefined {
  return (which === "public" ? instance.PublicIpAddress : instance.PrivateIpAddress) || undefined;
}
