// A machine has arrived when it answers SSH with the host key that it was given. Nobody logs in before: on images
// without cloud-init, sshd starts with another key, which a script then replaces.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { Compute, unwatched } from "../compute.ts";
import { describeCommand, instancePath, serialConsole, stopped, type Place } from "../machines.ts";
import type { Instance } from "../types.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import type { Context, ResourceType } from "../../../../provider/from-schema.ts";
import { waitFor, type Seen } from "../../../../provider/kit/wait.ts";
import { wayLook } from "../../../../provider/kit/saved-console.ts";
import type { Way } from "../../../../provider/kit/way-in.ts";
import { proxySchema, type Proxy } from "../../../../provider/kit/proxy.ts";
import { instanceProperties, replaceOnInstance } from "./place.ts";

export interface ArrivalInputs extends Place {
  /** The instance's id: another machine of the same name has to arrive again. */
  instance: string;
  host: string;
  port: number;
  user: string;
  /** The public half of its host key. */
  hostKey: string;
  /** The key that logs in, OpenSSH format. */
  privateKey: string;
  /** Seconds to wait for it. */
  patience: number;
  /** The bastion that connections go through. */
  proxy?: Proxy;
  /** True if it should run. */
  awake: boolean;
}

/** Milliseconds until the machine must start to answer, per attempt. */
const tryFor = 10_000;

/** `ci-images:gce:Arrival`. */
export const gceArrival: ResourceType<ArrivalInputs, ArrivalInputs & Way> = {
  token: "ci-images:gce:Arrival",
  inputs: {
    type: "object",
    properties: {
      ...instanceProperties,
      host: { type: "string" },
      port: { type: "integer" },
      user: { type: "string" },
      hostKey: { type: "string" },
      privateKey: { type: "string" },
      patience: { type: "integer", minimum: 1 },
      proxy: proxySchema,
      awake: { type: "boolean" },
    },
    required: [
      "project",
      "zone",
      "machine",
      "instance",
      "host",
      "port",
      "user",
      "hostKey",
      "privateKey",
      "patience",
      "awake",
    ],
  },
  replaceOn: replaceOnInstance,
  secretOutputs: ["privateKey", "proxy"],
  /** Detects that the machine was stopped: otherwise commands would dial its old address. */
  async drift(_id, state, wanted) {
    if (!wanted?.awake) return "none";
    const compute = await Compute.open(state.project, unwatched);
    const instance = await compute.find<Instance>(instancePath(state));
    return instance && stopped.includes(instance.status) ? "update" : "none";
  },
  async create(inputs, context) {
    return { id: inputs.instance, outputs: { ...inputs, ...(await arrive(inputs, context)) } };
  },
  /** A machine that was powered on again has another public address; one that is off isn't waited for. */
  async update(_id, state, inputs, context) {
    const way = inputs.awake ? await arrive(inputs, context) : { sshPort: state.sshPort, sshUser: state.sshUser };
    return { ...inputs, ...way };
  },
};

async function arrive(inputs: ArrivalInputs, context: Context): Promise<Way> {
  const compute = await Compute.open(inputs.project, context);
  try {
    return await answer(compute, inputs, context);
  } catch (error) {
    context.signal.throwIfAborted();
    throw await withConsole(compute, inputs, error as Error);
  }
}

function answer(compute: Compute, inputs: ArrivalInputs, context: Context): Promise<Way> {
  const { host, port, user, hostKey, privateKey, proxy, machine, patience } = inputs;
  const what = `machine ${machine} (${host}:${port})`;
  const connection = { host, port, user, hostKey, proxy };
  const state = () => stateOf(compute, inputs);
  const look = wayLook({ what, connection, privateKey, state }, tryFor, context);
  return waitFor<Way>(
    {
      what,
      until: "to answer SSH with the host key it was given",
      deadline: patience,
      lookAt: `gcloud compute instances get-serial-port-output ${machine} --project=${inputs.project} --zone=${inputs.zone}`,
      look: async (): Promise<Seen<Way>> => {
        if (host === "")
          return { failed: "the machine has no address", cure: "run `pulumi refresh`, then `pulumi up`" };
        return await look();
      },
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

/** The error, with the machine's console saved to a file: the console is lost with the machine. */
async function withConsole(compute: Compute, place: Place, error: Error): Promise<Error> {
  const contents = await serialConsole(compute, place);
  if (contents === undefined) return error;
  const folder = join((await places()).root, "consoles");
  const file = join(folder, `${place.machine}.log`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(file, contents, { mode: 0o600 });
  const lines = contents.trimEnd().split("\n");
  return new UserError(
    ...(error instanceof UserError ? error.complaints : [{ where: place.machine, found: error.message }]),
    {
      where: file,
      found: `the console's output (${lines.length} lines; the last one: ${JSON.stringify(lines.at(-1)?.trim())})`,
      cure: `read it, or look at the machine with \`${describeCommand(place)}\``,
    },
  );
}
