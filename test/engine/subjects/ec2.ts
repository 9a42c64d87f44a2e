// The test cloud of stack `ec2`, behind the interface that the tests of every cloud use.
import { DeleteSnapshotCommand, DeregisterImageCommand } from "@aws-sdk/client-ec2";
import { baseImage, Ec2Cloud, newerBase, olderBase, regions } from "../../test-cloud/ec2-cloud.ts";
import { quota, throttling } from "../../test-cloud/ec2/faults.ts";
import type { MotoImage } from "../../emulators/moto.ts";
import type { RenewableSubject } from "../cloud-bases.ts";
import type { FallibleSubject } from "../cloud-faults.ts";

const [region] = regions;

/** The subject, with access to the EC2 test cloud itself. */
export interface Ec2Subject extends FallibleSubject, RenewableSubject {
  ec2: Ec2Cloud;
}

/**
 * Opens an empty test cloud.
 * @param network The machines' network namespace; this computer's by default.
 * @param images Extra images that exist in the API but can't boot.
 */
export async function openEc2(network?: string, images: readonly MotoImage[] = []): Promise<Ec2Subject> {
  const cloud = await Ec2Cloud.open([], network, images);
  const { api } = cloud;
  return {
    ec2: cloud,
    cloud: "ec2",
    outputs: ["aws", region],
    settings: { ec2: { region } },
    variables: cloud.variables,
    lasting: /^(aws:ec2\/ami|ci-images:ec2:(AdoptedImage|ImportedImage|ImageAttributes|ImageLease)$)/,
    images: async () => (await cloud.images()).map(({ ImageId }) => ImageId!),
    machines: async () => (await cloud.instances()).map(({ InstanceId }) => InstanceId!),
    async deleteImage(id) {
      const image = (await cloud.images()).find(({ ImageId }) => ImageId === id)!;
      await api.client(region).send(new DeregisterImageCommand({ ImageId: id }));
      for (const { Ebs } of image.BlockDeviceMappings ?? []) {
        await api.client(region).send(new DeleteSnapshotCommand({ SnapshotId: Ebs!.SnapshotId }));
      }
    },
    async loseBase() {
      for (const place of regions) {
        for (const { ami_id: ImageId } of [baseImage, newerBase])
          await api.client(place).send(new DeregisterImageCommand({ ImageId }));
      }
      return [olderBase.name, region];
    },
    renewBase: () => Promise.resolve(cloud.releaseBase()),
    machineType: "aws:ec2/instance:Instance",
    fillQuota() {
      api.faults.add({ action: "RunInstances", error: quota });
      // The message is AWS's own.
      const complaint = /VcpuLimitExceeded.*current vCPU limit of 5.*contact-us\/ec2-request/s;
      return { free: () => {}, complaint, isForeseen: false };
    },
    async stopMachine() {
      const [{ InstanceId }] = await cloud.instances();
      await api.stop(region, InstanceId!);
    },
    async loseMachine() {
      const [{ InstanceId }] = await cloud.instances();
      await api.vanish(region, InstanceId!);
    },
    strain(latency) {
      api.faults.latency = latency;
      const throttled = ["RunInstances", "DescribeInstances", "CreateImage", "DescribeImages", "CreateTags"];
      if (latency > 0) for (const action of throttled) api.faults.add({ action, error: throttling, times: 2 });
    },
    imageFailures: [
      { complaint: /unexpected state 'failed'/, fail: () => api.faults.failNextImage() },
      // Refused at once, so nothing gets into the state.
      {
        complaint: /ResourceLimitExceeded/,
        fail: () =>
          api.faults.add({
            action: "CreateImage",
            error: { code: "ResourceLimitExceeded", message: "too many images" },
          }),
      },
    ],
    failNextImage: () => api.faults.failNextImage(),
    refuseNextRetirement: () =>
      api.faults.add({ action: "TerminateInstances", error: { code: "OperationNotPermitted", message: "protected" } }),
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
