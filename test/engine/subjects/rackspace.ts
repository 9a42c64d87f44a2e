// The test cloud of stack `rackspace`, as the tests of every cloud see it.
import { RackspaceCloud } from "../../test-cloud/rackspace-cloud.ts";
import type { Subject } from "../cloud-stack.ts";

/** The region of these tests. */
const place = "ORD";

/** Opens an empty one. */
export async function openRackspace(): Promise<Subject> {
  const cloud = await RackspaceCloud.open([place]);
  const region = cloud.api.region(place);
  return {
    cloud: "rackspace",
    outputs: ["rackspace", place],
    settings: { rackspace: { regions: [place], flavor: "m1.small", networks: ["private"] } },
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
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
