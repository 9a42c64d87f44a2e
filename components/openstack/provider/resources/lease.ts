// The lease of a server: made before the server and dropped after it. Dropping the lease makes sure that the server is
// gone, whatever happened in between. The server itself is declared with `deletedWith: lease`.
import { randomBytes } from "node:crypto";
import {
  cloudLabels,
  cloudName,
  formatExpiry,
  ownerLabels,
  isOfWorker,
  type Labels,
} from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { dropUnproven } from "../images.ts";
import { quiet, Region } from "../region.ts";
import { describe, endServer, listServers, sealingOf, serversWith } from "../servers.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface LeaseInputs {
  region: string;
  /** The first part of the server's name. */
  prefix: string;
  /** What the server is found by when the state is lost. */
  labels: Omit<Labels, "expires">;
  /** More metadata: the stack setting `tags`. */
  tags: Record<string, string>;
  /** Seconds after which the server ends itself. */
  lifetime: number;
  /** True when people and commands are to log in to the server: a sealed one, which lets nobody in, is replaced then. */
  open?: boolean;
}

export interface LeaseState extends LeaseInputs {
  /** The server's name, never used twice. */
  machine: string;
  /** When the server ends itself, ISO 8601. */
  deadline: string;
  /** The server's metadata. */
  metadata: Record<string, string>;
}

/** `ci-images:rackspace:Lease`. */
export const lease: ResourceType<LeaseInputs, LeaseState> = {
  token: "ci-images:rackspace:Lease",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string", minLength: 1 },
      prefix: { type: "string", minLength: 1 },
      labels: { type: "object", required: [...ownerLabels] },
      tags: { type: "object", additionalProperties: { type: "string" } },
      lifetime: { type: "integer", minimum: 60 },
      open: { type: "boolean" },
    },
    required: ["region", "prefix", "labels", "tags", "lifetime"],
  },
  replaceOn: ["region", "prefix", "labels"],

  /**
   * Replaces a lease that expired; whose server is missing (never made, or removed by somebody) or broken; whose
   * sealing began but did not end (nobody can log in any more); whose sealed server was started again (it is no longer
   * sealed); or whose sealed server people should log in to.
   */
  async drift(_id, { region: name, machine, deadline }, wanted) {
    if (Date.parse(deadline) < Date.now()) return "replace";
    const [server] = await listServers(new Region(name, quiet), machine);
    if (!server || server.status === "ERROR") return "replace";
    const sealing = sealingOf(server);
    if (sealing === undefined) return "none";
    return sealing === "begun" || server.status === "ACTIVE" || wanted?.open ? "replace" : "none";
  },

  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    const owner = Object.fromEntries(ownerLabels.map((label) => [label, inputs.labels[label]]));
    const found = await serversWith(region, owner);
    for (const earlier of found.filter(({ metadata }) => isOfWorker(openstackLabels, metadata, inputs.labels.worker))) {
      await endServer(region, earlier.id);
      context.progress(`removed ${describe(earlier)}, left by an earlier bake`);
    }
    const machine = cloudName(openstackLabels, inputs.prefix, randomBytes(3).toString("hex"));
    const deadline = new Date(Date.now() + inputs.lifetime * 1000);
    const labels = { ...inputs.labels, expires: formatExpiry(deadline) };
    const metadata = cloudLabels(openstackLabels, labels, inputs.tags);
    return { id: machine, outputs: { ...inputs, machine, deadline: deadline.toISOString(), metadata } };
  },

  async delete(_id, { region: name, machine }, context) {
    const region = new Region(name, context);
    for (const server of await listServers(region, machine)) await endServer(region, server.id);
    // An unproven image may have been made without getting a record.
    await dropUnproven(region, machine);
  },
};
