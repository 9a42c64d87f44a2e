// The lease of a server: dropping it makes sure that the server is gone, with its address, port, security group and key
// pair, and an image nobody has proven. They are declared with `deletedWith: lease`: the official provider waits five
// seconds before it removes a group, a port or an address.
import { cloudLabels, formatExpiry, isOfWorker } from "../../../../common/labels.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import { Lease } from "../../contract.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { dropBelongings, listBelongings, machineName, machineNamePattern } from "../belongings.ts";
import { disownImages, dropUnproven } from "../images.ts";
import { quiet, Region } from "../region.ts";
import { describe, endServer, listServers, sealingOf, serversWith } from "../servers.ts";

export const lease = leaseOf(Lease, {
  nameOf: machineName,

  outputs({ labels, tags }, deadline) {
    return { metadata: cloudLabels(openstackLabels, { ...labels, expires: formatExpiry(deadline) }, tags) };
  },

  async *removeEarlier({ region: name, prefix, labels: { project, stack, distribution, role, worker } }, context) {
    const region = new Region(name, context);
    const [servers, belongings] = await Promise.all([
      serversWith(region, { project, stack, distribution, role }),
      listBelongings(region),
    ]);
    const earlier = servers.filter(({ metadata }) => isOfWorker(openstackLabels, metadata, worker));
    for (const server of earlier) {
      await endServer(region, server.id);
      yield describe(server);
    }
    // Also those of an earlier lease of this bake whose server was never made, or is gone.
    const isEarlier = machineNamePattern(prefix);
    const left = belongings.filter(({ name }) => isEarlier.test(name) || earlier.some((each) => each.name === name));
    await dropBelongings(region, left);
    for (const { kind, name } of left) yield `${kind} ${name}`;
  },

  async disownImages({ region, labels: { project, stack, distribution } }, context) {
    await disownImages(new Region(region, context), { project, stack, distribution });
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
    const [servers, belongings] = await Promise.all([listServers(region, machine), listBelongings(region, machine)]);
    for (const server of servers) await endServer(region, server.id);
    // An unproven image may have been made without getting a record.
    await Promise.all([dropBelongings(region, belongings), dropUnproven(region, machine)]);
  },
});
