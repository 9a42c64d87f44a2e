// The test cloud of stack `gce`, behind the interface that the tests of every cloud use.
import type { GceApi, GceOptions } from "../../test-cloud/gce-api.ts";
import { baseImage, GceCloud, project } from "../../test-cloud/gce-cloud.ts";
import { stopInstance } from "../../test-cloud/gce/machines.ts";
import type { RenewableSubject } from "../cloud-bases.ts";
import type { FallibleSubject } from "../cloud-faults.ts";

/** The subject, with access to the fake Compute API. */
export interface GceSubject extends FallibleSubject, RenewableSubject {
  api: GceApi;
}

/** Opens an empty test cloud. @param distributions The distributions that have a base image. */
export async function openGce(
  distributions = ["debian12"],
  network?: string,
  storage?: GceOptions["storage"],
): Promise<GceSubject> {
  const cloud = await GceCloud.open(distributions, network, storage);
  const { api } = cloud;
  return {
    api,
    cloud: "gce",
    outputs: ["gce", project],
    settings: { gce: { project, zone: api.zones[0], diskSize: 12 } },
    variables: cloud.variables,
    lasting: /^(gcp:compute\/image:Image|ci-images:gce:(Family|ImportedImage))$/,
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
    machineType: "gcp:compute/instance:Instance",
    fillQuota() {
      const { quotas } = api.project(project);
      quotas.CPUS = 1;
      return {
        free: () => void delete quotas.CPUS,
        complaint: /region here: quota CPUS: 0 of 1 are in use/,
        isForeseen: true,
      };
    },
    async stopMachine() {
      const [instance] = api.project(project).instances.values();
      await stopInstance(api, instance);
    },
    async loseMachine() {
      const { instances } = api.project(project);
      const [[key, instance]] = instances;
      await api.hypervisor.remove(instance);
      instances.delete(key);
      for (const { source } of instance.disks) api.diskAt(source).users = [];
    },
    async renewBase() {
      const { family, project: publisher } = baseImage;
      return api.addBase(publisher, "debian-12-bookworm-v20991231", { family }).name;
    },
    strain(latency) {
      api.faults.latency = latency;
      const refused = { status: 429, reason: "rateLimitExceeded", message: "too many requests" };
      for (const matches of [/^GET /, /^POST /, /^DELETE /]) {
        if (latency > 0) api.faults.refuse({ matches, ...refused, times: 3 });
      }
    },
    imageFailures: [
      { complaint: /Creating image .* failed/, fail: () => void api.faults.imageEnds.push("FAILED") },
      {
        complaint: /resources are not ready/,
        fail: () =>
          api.faults.fail({
            matches: /^POST .*\/global\/images$/,
            status: 400,
            reason: "RESOURCE_NOT_READY",
            message: "resources are not ready",
          }),
      },
    ],
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
