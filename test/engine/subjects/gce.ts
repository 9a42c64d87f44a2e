// The test cloud of stack `gce`, as the tests of every cloud see it.
import { baseImage, GceCloud, project } from "../../test-cloud/gce-cloud.ts";
import type { Subject } from "../cloud-stack.ts";

/** Opens an empty one. */
export async function openGce(): Promise<Subject> {
  const cloud = await GceCloud.open();
  const { api } = cloud;
  return {
    cloud: "gce",
    outputs: ["gce", project],
    settings: { gce: { project, zone: api.zones[0], diskSize: 12 } },
    variables: cloud.variables,
    lasting: /^(gcp:compute\/image:Image|ci-images:gce:Family)$/,
    retiresFirst: true,
    images: async () => cloud.images().map(({ selfLink }) => selfLink),
    machines: async () => [...api.project(project).instances.keys()],
    async deleteImage(link) {
      const image = cloud.images().find(({ selfLink }) => selfLink === link)!;
      await api.hypervisor.removeImage(image);
      api.project(project).images.delete(image.name);
    },
    loseBase: async () => void api.project(baseImage.project).images.delete(baseImage.name),
    failNextImage: () =>
      api.faults.fail({
        matches: /^POST .*\/global\/images$/,
        status: 500,
        reason: "INTERNAL_ERROR",
        message: "failed",
      }),
    refuseNextRetirement: () =>
      api.faults.refuse({ matches: /^DELETE .*\/instances\//, status: 403, reason: "forbidden", message: "locked" }),
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
