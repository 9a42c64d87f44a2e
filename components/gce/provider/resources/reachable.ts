// Waits until a machine on Google Compute Engine answers by SSH.
import type { InputsOf } from "../../../../common/contract.ts";
import { UserError } from "../../../../common/user-error.ts";
import { waitForAnswer } from "../../../../provider/kit/saved-console.ts";
import type { Seen } from "../../../../provider/kit/wait.ts";
import type { Way } from "../../../../provider/kit/way-in.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { Reachable } from "../../contract.ts";
import { Compute, unwatched } from "../compute.ts";
import { instancePath, serialConsole, stopped, type Place } from "../machines.ts";
import type { Instance } from "../types.ts";

type Reached = Way & { currentHost?: string };

export const gceReachable = implement(Reachable, {
  /** Detects that somebody stopped or restarted the machine: otherwise commands would dial its old address. */
  async drift(_id, state, wanted) {
    if (!wanted?.awake) return "none";
    const compute = await Compute.open(state.project, unwatched);
    const instance = await compute.find<Instance>(instancePath(state));
    if (instance && stopped.includes(instance.status)) return "update";
    const now = addressOf(instance, wanted.address);
    return now === undefined || now === (state.currentHost ?? state.host) ? "none" : "update";
  },
  async create(inputs, context) {
    return { id: inputs.instance, outputs: { ...inputs, ...(await reach(inputs, context)) } };
  },
  /** A machine that was powered on again has another public address. One that is off is not waited for. */
  async update(_id, { sshPort, sshUser, currentHost }, inputs, context) {
    const reached = inputs.awake ? await reach(inputs, context) : { sshPort, sshUser, currentHost };
    return { ...inputs, ...reached };
  },
});

async function reach(inputs: InputsOf<typeof Reachable>, context: Context): Promise<Reached> {
  const { address, port, user, hostKey, privateKey, proxy, project, zone, machine, patience } = inputs;
  const compute = await Compute.open(project, context);
  // Not the old address: another machine may have it now.
  const host = addressOf(await compute.find<Instance>(instancePath(inputs)), address) ?? inputs.host;
  if (host === "") {
    const cure = "run `pulumi refresh`, then `pulumi up`";
    throw new UserError({ where: `machine ${machine}`, found: "has no address", cure });
  }
  const way = await waitForAnswer(
    {
      what: `machine ${machine} (${host}:${port})`,
      name: machine,
      connection: { host, port, user, hostKey, proxy },
      privateKey,
      deadline: patience,
      lookAt: `gcloud compute instances get-serial-port-output ${machine} --project=${project} --zone=${zone}`,
      state: () => stateOf(compute, inputs),
      console: () => serialConsole(compute, inputs),
    },
    context,
  );
  return { ...way, currentHost: host };
}

/** @returns undefined if it has none: a stopped machine has no public address. */
function addressOf(instance: Instance | undefined, which: "public" | "private" | undefined): string | undefined {
  const [nic] = instance?.networkInterfaces ?? [];
  if (which === undefined) return undefined;
  return which === "public" ? nic?.accessConfigs?.[0]?.natIP : nic?.networkIP;
}

async function stateOf(compute: Compute, place: Place): Promise<Exclude<Seen<never>, { done: never }>> {
  const status = (await compute.find<Instance>(instancePath(place)))?.status ?? "gone";
  if (status === "RUNNING") return { state: "running, but does not answer with that key" };
  if (["PROVISIONING", "STAGING", "REPAIRING"].includes(status)) return { state: status };
  const cure = stopped.includes(status)
    ? "it was stopped by a user or by Google: run `./ci-images up`, or `pulumi refresh` and `pulumi up`, to start it again"
    : "a spot machine may have been preempted: run `pulumi up` again";
  return { failed: `the machine is ${status}`, cure };
}
