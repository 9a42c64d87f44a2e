// The builder of the `local` cloud: systemd in a container over the base image.
import { randomUUID } from "node:crypto";
import {
  createMachine,
  findMachine,
  removeMachine,
  startMachine,
  stopMachine,
  type Machine,
} from "../machine/machines.ts";
import { sealingState } from "../machine/sealing.ts";
import type { ResourceType } from "../../../../provider/resource.ts";

export interface BuilderInputs {
  /** The machine's name, from its lease. */
  name: string;
  /** When it ends itself, ISO 8601; from its lease. */
  deadline: string;
  labels: Record<string, string>;
  /** The base image's folder. */
  base: string;
  /** Bytes of its disk: the recipe's size. */
  size?: number;
  loginUser: string;
  /** One authorized_keys line. */
  authorizedKey: string;
  /** The SSH host key it is born with, OpenSSH format. */
  hostPrivateKey: string;
  hostPublicKey: string;
  /** `off`: stopped and kept. `on` unless given. */
  power?: Power;
}

/** Whether a machine is to run. */
export type Power = "on" | "off";

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
      size: { type: "number" },
      loginUser: { type: "string" },
      authorizedKey: { type: "string" },
      hostPrivateKey: { type: "string" },
      hostPublicKey: { type: "string" },
      power: { enum: ["on", "off"] },
    },
    required: ["name", "deadline", "labels", "base", "loginUser", "authorizedKey", "hostPrivateKey", "hostPublicKey"],
  },
  replaceOn: ["name", "base", "loginUser", "authorizedKey", "hostPublicKey"],
  // The fresh machine has the lease's name, too: what is left of the old one must be gone before.
  deleteBeforeReplace: true,
  secretOutputs: ["hostPrivateKey"],

  async drift(_id, { name, power }) {
    const machine = await findMachine(name);
    if (!machine) return "replace";
    return (await powerOf(machine, power)) === (power ?? "on") ? "none" : "update";
  },

  async create(inputs, { progress, signal }) {
    const { name, deadline, labels, loginUser, authorizedKey, base, size, hostPrivateKey, hostPublicKey } = inputs;
    const guest = { kind: "container" as const, base, size, hostPrivateKey, hostPublicKey };
    const machine = await createMachine({ name, deadline, labels, loginUser, authorizedKey, guest }, progress, signal);
    if (inputs.power === "off") await stopMachine(name, progress, signal);
    return { id: name, outputs: withAddress(inputs, machine, randomUUID()) };
  },

  async read(_id, state) {
    const machine = await findMachine(state.name);
    if (!machine) return undefined;
    const power = await powerOf(machine, state.power);
    return withAddress({ ...state, power }, machine, state.instance);
  },

  async update(_id, state, inputs, { progress, signal }) {
    const { power = "on" } = inputs;
    const present = await findMachine(state.name);
    if (present && (await powerOf(present, power)) === power) return withAddress(inputs, present, state.instance);
    const change = power === "on" ? startMachine : stopMachine;
    const machine = await change(state.name, progress, signal);
    progress(power === "on" ? "started again" : "powered off, and kept");
    return withAddress(inputs, machine, state.instance);
  },

  async delete(_id, { name }) {
    await removeMachine(name);
  },
};

/**
 * Whether a machine runs. One that was stopped because it is sealed is as it should be: nobody can log in to it any more, and its
 * disk is about to become an image.
 * @param wanted What counts for a sealed one.
 */
async function powerOf(machine: Machine, wanted: Power = "on"): Promise<Power> {
  if (machine.state === "running") return "on";
  return (await sealingState(machine)) === "sealed" ? wanted : "off";
}

function withAddress(inputs: BuilderInputs, { connection }: Machine, instance: string): BuilderState {
  return { ...inputs, host: connection.host, port: connection.port, instance };
}
