// A throw-away machine booted from a finished image, for verification.
import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import { createMachine, findMachine, removeMachine } from "../machine/machines.ts";
import type { ResourceType } from "../../../../provider/resource.ts";

export interface VirtualMachineInputs {
  /** The machine's name, from its lease. */
  name: string;
  /** When it ends itself, ISO 8601; from its lease. */
  deadline: string;
  labels: Record<string, string>;
  /** The image's disk; it is never written to. */
  disk: string;
  firmware: "uefi" | "bios";
  loginUser: string;
  /** One authorized_keys line. */
  authorizedKey: string;
  /** Its private half, OpenSSH format. */
  privateKey: string;
}

export interface VirtualMachineState extends VirtualMachineInputs {
  host: string;
  port: number;
  /** Who commands log in as: root by the bake's own way in, or the image's login user. */
  user: string;
  /** Of the bake's own way in; or the key that the machine made for itself at first boot, as its console showed it. */
  hostKey: string;
  /** Another one for every machine that was made. */
  instance: string;
}

const memory = 1024;
/** Processors. Emulated ones are threads of this computer's: where it has but two, a second one only gets in the first one's way. */
const cpus = availableParallelism() > 2 ? 2 : 1;

/** `ci-images:local:VirtualMachine`. */
export const virtualMachine: ResourceType<VirtualMachineInputs, VirtualMachineState> = {
  token: "ci-images:local:VirtualMachine",
  inputs: {
    type: "object",
    properties: {
      name: { type: "string" },
      deadline: { type: "string" },
      labels: { type: "object" },
      disk: { type: "string" },
      firmware: { enum: ["uefi", "bios"] },
      loginUser: { type: "string" },
      authorizedKey: { type: "string" },
      privateKey: { type: "string" },
    },
    required: ["name", "deadline", "labels", "disk", "firmware", "loginUser", "authorizedKey", "privateKey"],
  },
  replaceOn: ["name", "disk", "firmware", "loginUser", "authorizedKey"],
  secretOutputs: ["privateKey"],
  // The fresh machine has the lease's name, too: what is left of the old one must be gone before.
  deleteBeforeReplace: true,

  async drift(_id, { name }) {
    return (await findMachine(name))?.state === "running" ? "none" : "replace";
  },

  async create(inputs, { progress, signal }) {
    const { name, deadline, labels, loginUser, authorizedKey, privateKey, disk, firmware } = inputs;
    const guest = { kind: "vm" as const, disk, firmware, memory, cpus, privateKey };
    const machine = await createMachine({ name, deadline, labels, loginUser, authorizedKey, guest }, progress, signal);
    const { host, port, user, hostKey } = machine.connection;
    return { id: name, outputs: { ...inputs, host, port, user, hostKey, instance: randomUUID() } };
  },

  async read(_id, state) {
    return (await findMachine(state.name)) && state;
  },

  async delete(_id, { name }) {
    await removeMachine(name);
  },
};
