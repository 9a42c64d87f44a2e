// The lease of a server. Dropping it makes sure that the server is gone, whatever happened in between. The server
// itself is declared with `deletedWith: lease`.
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
   * A server is useless if it is missing or broken; if its sealing began but did not end (no login works any more); or
   * if it is sealed and was started again (it is no longer sealed), or people should log in to it.
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
    // An unproven image may have no record of its own.
    await dropUnproven(region, machine);
  },
});
