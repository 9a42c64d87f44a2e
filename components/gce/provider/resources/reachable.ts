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

export const gceReachable = implement(Reachable, {
  /** Detects that somebody stopped the machine: otherwise commands would dial its old address. */
  async drift(_id, state, wanted) {
    if (!wanted?.awake) return "none";
    const compute = await Compute.open(state.project, unwatched);
    const instance = await compute.find<Instance>(instancePath(state));
    return instance && stopped.includes(instance.status) ? "update" : "none";
  },
  async create(inputs, context) {
    return { id: inputs.instance, outputs: { ...inputs, ...(await reach(inputs, context)) } };
  },
  /** A machine that was powered on again has another public address. One that is off is not waited for. */
  async update(_id, state, inputs, context) {
    const way = inputs.awake ? await reach(inputs, context) : { sshPort: state.sshPort, sshUser: state.sshUser };
    return { ...inputs, ...way };
  },
});

async function reach(inputs: InputsOf<typeof Reachable>, context: Context): Promise<Way> {
  const { host, port, user, hostKey, privateKey, proxy, project, zone, machine, patience } = inputs;
  if (host === "") {
    const cure = "run `pulumi refresh`, then `pulumi up`";
    throw new UserError({ where: `machine ${machine}`, found: "has no address", cure });
  }
  const compute = await Compute.open(project, context);
  return await waitForAnswer(
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
