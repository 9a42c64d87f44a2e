// Where a machine can be reached, once it can. Its public address changes whenever it is started again, so it is looked
// up here: the official instance resource would only know it after a refresh.
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
  /** Somebody stopped it, or stopped and started it: it is elsewhere now. */
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
 * Starts the machine if somebody stopped it.
 * @returns where it answers.
 * @param before Where it was reached until now.
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
      // Not the rest of its state: that is what it was made with, before it was powered off.
      const { sshPort, sshUser } = before ?? { sshPort: inputs.port, sshUser: inputs.user };
      return { sshPort, sshUser, host: last };
    }
    if (found && isStoppedOpen(found)) {
      await startInstance(region, instance, context);
      context.progress(`${instance} in ${region} had been stopped elsewhere: started it again`);
    }
    // Not the old address: it may belong to another machine by now.
    const host = forward ?? (await waitForAddress(inputs, context));
    return { host, ...(await waitUntilReachable({ ...inputs, host }, context)) };
  });
}

/** Seconds within which a running instance gets its address, or never will. */
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
          : "`pulumi up` starts on a fresh machine";
        if (!found) return { failed: "it is gone", cure };
        return { failed: `it is ${state} and has no ${address} address: ${stateReason(found)}`, cure };
      },
    },
    context,
  );
}

/** @returns undefined while it has none: a machine that is off has no public address. */
function addressOf(instance: Instance, which: "public" | "private"): string | undefined {
  return (which === "public" ? instance.PublicIpAddress : instance.PrivateIpAddress) || undefined;
}
