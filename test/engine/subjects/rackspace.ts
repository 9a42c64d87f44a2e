// The test cloud of stack `rackspace`, behind the interface that the tests of every cloud use.
import { RackspaceCloud } from "../../test-cloud/rackspace-cloud.ts";
import type { RenewableSubject } from "../cloud-bases.ts";
import type { FallibleSubject } from "../cloud-faults.ts";

/** The subject, with access to the OpenStack test cloud itself. */
export interface RackspaceSubject extends FallibleSubject, RenewableSubject {
  rackspace: RackspaceCloud;
}

/**
 * Opens an empty test cloud.
 * @param regions The stack's regions; the subject reports on the first.
 * @param name The stack setting `cloud`.
 */
export async function openRackspace(
  regions = ["ORD"],
  { network, name = "rackspace" }: { network?: string; name?: "rackspace" | "openstack" } = {},
): Promise<RackspaceSubject> {
  const cloud = await RackspaceCloud.open(regions, ["debian12"], network);
  const [place] = regions;
  const region = cloud.api.region(place);
  return {
    rackspace: cloud,
    cloud: name,
    outputs: [name, place],
    settings: { [name]: { regions, flavor: "m1.small", networks: ["private"] } },
    variables: cloud.variables,
    lasting: /^ci-images:rackspace:(ServerImage|Sharing)$/,
    images: async () => cloud.images().map(({ id }) => id),
    machines: async () => [...region.servers.keys()],
    async deleteImage(id) {
      region.images.delete(id);
      await region.hypervisor.removeImage({ id } as never);
    },
    async loseBase() {
      for (const image of [...region.images.values()])
        if (image.visibility === "public") region.images.delete(image.id);
    },
    failNextImage: () => void cloud.api.faults.snapshotEnds.push("killed"),
    refuseNextRetirement: () =>
      cloud.api.faults.refuse({ matches: /^DELETE .*\/servers\//, status: 409, message: "the server is locked" }),
    machineType: "openstack:compute/instance:Instance",
    fillQuota() {
      region.coreQuota = 0;
      return {
        free: () => void (region.coreQuota = -1),
        complaint: /0 of the quota of 0 processors \(cores\) are in use/,
        isForeseen: true,
      };
    },
    async stopMachine() {
      const [server] = region.servers.values();
      await region.hypervisor.stop(server);
      server.status = "SHUTOFF";
    },
    async loseMachine() {
      const [server] = region.servers.values();
      await region.hypervisor.remove(server);
      region.servers.delete(server.id);
    },
    async renewBase() {
      region.addImage({ name: "Debian 12 (Bookworm) (PVHVM)", created_at: "2099-01-01T00:00:00Z" });
      return "2099-01-01";
    },
    strain(latency) {
      const { faults } = cloud.api;
      faults.latency = latency;
      const refused = { status: 429, message: "too many requests", headers: { "retry-after": "1" } };
      for (const matches of [/^GET .*\/(compute|image|network)\//, /^POST .*\/compute\//, /^DELETE /]) {
        if (latency > 0) faults.refuse({ matches, ...refused, times: 3 });
      }
    },
    imageFailures: [
      { complaint: /it ended as killed/, fail: () => void cloud.api.faults.snapshotEnds.push("killed") },
      {
        // The second message comes if no poll saw the status `saving`.
        complaint: /its status went from saving back to queued|it has no content, and Nova is done with its server/,
        fail: () => void cloud.api.faults.snapshotEnds.push("queued"),
      },
      { complaint: /it is gone: Nova drops an image/, fail: () => void cloud.api.faults.snapshotEnds.push("gone") },
    ],
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
