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
import { layerStateFile, type LayerState } from "../layers/layer-state.ts";
import { readState } from "../state-file.ts";
import { sealingState } from "../machine/sealing.ts";
import { Builder } from "../../contract.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import type { Power } from "../../../stages.ts";
import { implement } from "../../../../provider/resource.ts";

export const builder = implement(Builder, {
  // The new machine gets the same name, from the lease, so remove the old one first.
  deleteBeforeReplace: () => true,

  async drift(_id, { name, power }) {
    const machine = await findMachine(name);
    if (!machine) return "replace";
    return (await powerOf(machine, power)) === (power ?? "on") ? "none" : "update";
  },

  async create(inputs, { progress, signal }) {
    const { name, deadline, labels, loginUser, authorizedKey, base, size, modules, hostPrivateKey, hostPublicKey } =
      inputs;
    const guest = { kind: "container" as const, base, size, modules, hostPrivateKey, hostPublicKey };
    const machine = await createMachine({ name, deadline, labels, loginUser, authorizedKey, guest }, progress, signal);
    if (inputs.power === "off") await stopMachine(name, progress, signal);
    return { id: name, outputs: { ...withAddress(inputs, machine, randomUUID()), fromLayer: await countOf(machine) } };
  },

  async read(_id, state) {
    const machine = await findMachine(state.name);
    if (!machine) return undefined;
    const power = await powerOf(machine, state.power);
    return withAddress({ ...state, power }, machine, state.instance);
  },

  async update(_id, state, inputs, { progress, signal }) {
    const { power = "on" } = inputs;
    const { fromLayer } = state;
    const present = await findMachine(state.name);
    if (present && (await powerOf(present, power)) === power)
      return { ...withAddress(inputs, present, state.instance), fromLayer };
    const change = power === "on" ? startMachine : stopMachine;
    const machine = await change(state.name, progress, signal);
    progress(power === "on" ? "started again" : "powered off, and kept");
    return { ...withAddress(inputs, machine, state.instance), fromLayer };
  },

  async delete(_id, { name }) {
    await removeMachine(name);
  },
});

/**
 * A machine's power state. A sealed machine is stopped on purpose, to become an image, so it always matches `wanted`.
 * @param wanted The state to report for a sealed machine.
 */
async function powerOf(machine: Machine, wanted: Power = "on"): Promise<Power> {
  if (machine.state === "running") return "on";
  return (await sealingState(machine)) === "sealed" ? wanted : "off";
}

async function countOf({ directory }: Machine): Promise<number> {
  const state = await readState<LayerState>(layerStateFile(directory));
  return state?.from?.prefixes.length ?? 0;
}

function withAddress(inputs: InputsOf<typeof Builder>, { connection }: Machine, instance: string) {
  return { ...inputs, host: connection.host, port: connection.port, instance };
}
