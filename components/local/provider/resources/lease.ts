// The lease of a machine: made before the machine and dropped after it, so that whatever happens in between, dropping the
// lease makes sure that the machine is gone. The machine itself is declared with `deletedWith: lease`.
import { randomBytes } from "node:crypto";
import { findMachine, listMachines, removeMachine } from "../machine/machines.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { removeTree } from "../remove-tree.ts";
import { sealingState } from "../machine/sealing.ts";
import { findImage, partialFolder } from "../disk/image-store.ts";
import type { ResourceType } from "../../../../provider/resource.ts";

export interface LeaseInputs {
  /** The first part of the machine's name: project, stack, distribution, recipe. */
  prefix: string;
  /** What the machine is found by when the state is lost: project, stack, distribution, recipe, role, home. */
  labels: Record<string, string>;
  /** Seconds after which the machine ends itself. */
  lifetime: number;
  /** The folder of the image that is to be made with the machine; dropped with the lease unless it was proven. */
  image?: string;
  /** True when people and commands are to log in to the machine: a sealed one, which lets nobody in, is replaced then. */
  open?: boolean;
}

export interface LeaseState extends LeaseInputs {
  /** The machine's name, never used twice. */
  machine: string;
  /** When the machine ends itself, ISO 8601. */
  deadline: string;
}

/** Labels that tell whose machine it is; `recipe` is left out, so that a new lease finds the machine of an edited recipe. */
const ownerLabels = ["home", "project", "stack", "distribution", "role"];

/** `ci-images:local:Lease`. */
export const lease: ResourceType<LeaseInputs, LeaseState> = {
  token: "ci-images:local:Lease",
  inputs: {
    type: "object",
    properties: {
      prefix: { type: "string", pattern: "^[a-z0-9][a-z0-9.-]*$" },
      labels: { type: "object", required: ownerLabels },
      lifetime: { type: "integer", minimum: 60 },
      image: { type: "string" },
      open: { type: "boolean" },
    },
    required: ["prefix", "labels", "lifetime"],
  },
  replaceOn: ["prefix", "labels"],

  /**
   * A lease that ran out, and a machine whose sealing began but did not end (nobody can log in any more), are of no use; nor is
   * a sealed one when it is to be logged in to.
   */
  async drift(_id, { machine, deadline }, wanted) {
    if (Date.parse(deadline) < Date.now()) return "replace";
    const found = await findMachine(machine);
    const sealing = found ? await sealingState(found) : "open";
    return sealing === "sealing" || (sealing === "sealed" && wanted?.open) ? "replace" : "none";
  },

  async create(inputs, { progress }) {
    const owner = Object.fromEntries(ownerLabels.map((label) => [label, inputs.labels[label]]));
    for (const earlier of await listMachines(owner)) {
      const problem = await problemOf(removeMachine(earlier.name));
      progress(
        problem === undefined
          ? `removed ${earlier.name}, left by an earlier bake`
          : `${earlier.name}, left by an earlier bake, stays: ${problem}`,
      );
    }
    const machine = `${inputs.prefix}-${randomBytes(3).toString("hex")}`;
    const deadline = new Date(Date.now() + inputs.lifetime * 1000).toISOString();
    return { id: machine, outputs: { ...inputs, machine, deadline } };
  },

  async delete(_id, { machine, image }) {
    await removeMachine(machine);
    if (image === undefined) return;
    await removeTree(partialFolder(image));
    const made = await findImage(image);
    // Proven images have a record of their own in the state. This one got its folder, but perhaps not its record.
    if (made && !made.proof && made.manifest.machine === machine) await removeTree(image);
  },
};
