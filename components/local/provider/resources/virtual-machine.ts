// A throw-away machine booted from a finished image, for verification.
import { randomUUID } from "node:crypto";
import { createMachine, findMachine, removeMachine } from "../machine/machines.ts";
import { VirtualMachine } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

/** MiB. */
const memory = 1024;

export const virtualMachine = implement(VirtualMachine, {
  // The new machine gets the same name, from the lease, so remove the old one first.
  deleteBeforeReplace: () => true,

  async drift(_id, { name }) {
    return (await findMachine(name))?.state === "running" ? "none" : "replace";
  },

  async create(inputs, { progress, signal }) {
    const { name, deadline, labels, loginUser, authorizedKey, privateKey, disk, firmware } = inputs;
    const guest = { kind: "vm" as const, disk, firmware, memory, privateKey };
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
});
