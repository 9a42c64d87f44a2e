// The builder of the `local` cloud: systemd in a container over the base image.
import { randomUUID } from "node:crypto";
import { createMachine, findMachine, removeMachine, startMachine, type Machine } from "../../local/machines.ts";
import { sealingState } from "../../local/sealing.ts";
import type { ResourceType } from "../../resource.ts";

export interface BuilderInputs {
  /** The machine's name, from its lease. */
  name: string;
  /** When it ends itself, ISO 8601; from its lease. */
  deadline: string;
  labels: Record<string, string>;
  /** The base image's folder. */
  base: string;
  loginUser: string;
  /** One authorized_keys line. */
  authorizedKey: string;
  /** The SSH host key it is born with, OpenSSH format. */
  hostPrivateKey: string;
  hostPublicKey: string;
}

export interface BuilderState extends BuilderInputs {
  host: string;
  port: number;
  /** Another one for every machine that was made, so that commands know a fresh builder from the one they ran on. */
  instance: string;
}

/** `ci-images:local:Builder`. */
export const builder: ResourceType<BuilderInputs, BuilderState> = {
  token: "ci-images:local:Builder",
  inputs: {
    type: "object",
    properties: {
      name: { type: "string" },
      deadline: { type: "string" },
      labels: { type: "object" },
      base: { type: "string" },
      loginUser: { type: "string" },
      authorizedKey: { type: "string" },
      hostPrivateKey: { type: "string" },
      hostPublicKey: { type: "string" },
    },
    required: ["name", "deadline", "labels", "base", "loginUser", "authorizedKey", "hostPrivateKey", "hostPublicKey"],
  },
  replaceOn: ["name", "base", "loginUser", "authorizedKey", "hostPublicKey"],
  secretOutputs: ["hostPrivateKey"],

  async drift(_id, { name }) {
    const machine = await findMachine(name);
    if (!machine) return "replace";
    const down = machine.state === "stopped" && (await sealingState(machine)) !== "sealed";
    return down ? "update" : "none";
  },

  async create(inputs, { progress, signal }) {
    const { name, deadline, labels, loginUser, authorizedKey, base, hostPrivateKey, hostPublicKey } = inputs;
    const guest = { kind: "container" as const, base, hostPrivateKey, hostPublicKey };
    const machine = await createMachine({ name, deadline, labels, loginUser, authorizedKey, guest }, progress, signal);
    return { id: name, outputs: withAddress(inputs, machine, randomUUID()) };
  },

  async read(_id, state) {
    const machine = await findMachine(state.name);
    return machine && withAddress(state, machine, state.instance);
  },

  async update(_id, state, inputs, { progress, signal }) {
    const machine = await startMachine(state.name, progress, signal);
    progress("started again");
    return withAddress(inputs, machine, state.instance);
  },

  async delete(_id, { name }) {
    await removeMachine(name);
  },
};

function withAddress(inputs: BuilderInputs, { connection }: Machine, instance: string): BuilderState {
  return { ...inputs, host: connection.host, port: connection.port, instance };
}
