// The lease of a machine on this computer.
import { Lease } from "../../contract.ts";
import { findMachine, listMachines, removeMachine } from "../machine/machines.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { removeTree } from "../remove-tree.ts";
import { sealingState } from "../machine/sealing.ts";
import { unlessBaking } from "../disk/bake-claim.ts";
import { isProven, partialFolder, readManifest } from "../disk/image-store.ts";

export const lease = leaseOf(Lease, {
  async *removeEarlier({ labels: { home, project, stack, distribution, role, worker } }, { progress }) {
    for (const { name, labels } of await listMachines({ home, project, stack, distribution, role })) {
      if (labels.worker !== worker) continue;
      const problem = await problemOf(removeMachine(name));
      if (problem === undefined) yield name;
      else progress(`could not remove ${name}, left by an earlier bake: ${problem}`);
    }
  },

  /** No login works once sealing has begun. */
  async isUseless({ machine }, wanted) {
    const found = await findMachine(machine);
    const sealing = found ? await sealingState(found) : "open";
    return sealing === "sealing" || (sealing === "sealed" && wanted?.open === true);
  },

  async end({ machine, image }, { signal }) {
    await removeMachine(machine);
    if (image === undefined) return;
    await unlessBaking(image, () => removeTree(partialFolder(image)), signal);
    const made = await readManifest(image);
    // A proven image has its own record in the state. An unproven one may have a folder but no record.
    if (made?.machine === machine && !(await isProven(image))) await removeTree(image);
  },
});
