// The lease of a server.
import { cloudLabels, cloudName, formatExpiry, isOfWorker } from "../../../../common/labels.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import { Lease } from "../../contract.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { dropUnproven } from "../images.ts";
import { quiet, Region } from "../region.ts";
import { describe, endServer, listServers, sealingOf, serversWith } from "../servers.ts";

export const lease = leaseOf(Lease, {
  nameOf: (prefix, suffix) => cloudName(openstackLabels, prefix, suffix),

  outputs({ labels, tags }, deadline) {
    return { metadata: cloudLabels(openstackLabels, { ...labels, expires: formatExpiry(deadline) }, tags) };
  },

  async *removeEarlier({ region: name, labels: { project, stack, distribution, role, worker } }, context) {
    const region = new Region(name, context);
    const found = await serversWith(region, { project, stack, distribution, role });
    for (const earlier of found.filter(({ metadata }) => isOfWorker(openstackLabels, metadata, worker))) {
      await endServer(region, earlier.id);
      yield describe(earlier);
    }
  },

  /**
   * Of no use is a server that is not there (nobody made it, or somebody removed it) or broken, one whose sealing began and did not end
   * (nobody can log in any more), and a sealed one that was started again (it is not sealed any more), or is to be logged in to.
   */
  async isUseless({ region: name, machine }, wanted) {
    const [server] = await listServers(new Region(name, quiet), machine);
    if (!server || server.status === "ERROR") return true;
    const sealing = sealingOf(server);
    if (sealing === undefined) return false;
    return sealing === "begun" || server.status === "ACTIVE" || wanted?.open === true;
  },

  async end({ region: name, machine }, context) {
    const region = new Region(name, context);
    for (const server of await listServers(region, machine)) await endServer(region, server.id);
    // An unproven image may have been made without getting a record.
    await dropUnproven(region, machine);
  },
});
