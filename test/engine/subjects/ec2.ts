// The test cloud of stack `ec2`, as the tests of every cloud see it.
import { DeleteSnapshotCommand, DeregisterImageCommand } from "@aws-sdk/client-ec2";
import { baseImage, Ec2Cloud, regions } from "../../test-cloud/ec2-cloud.ts";
import type { Subject } from "../cloud-stack.ts";

const [region] = regions;

/** Opens an empty one. */
export async function openEc2(): Promise<Subject> {
  const cloud = await Ec2Cloud.open();
  const { api } = cloud;
  return {
    cloud: "ec2",
    outputs: ["aws", region],
    settings: { ec2: { region } },
    variables: cloud.variables,
    lasting: /^(aws:ec2\/ami|ci-images:ec2:(AdoptedImage|ImageAttributes|SnapshotSweep)$)/,
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
        await api.client(place).send(new DeregisterImageCommand({ ImageId: baseImage.ami_id }));
      }
    },
    // Refused, and not accepted and then `failed`: an AMI in that state stays in Pulumi's, and in the way (docs/ec2.md).
    failNextImage: () =>
      api.faults.add({
        action: "CreateImage",
        error: { code: "ResourceLimitExceeded", message: "it failed: a limit" },
      }),
    refuseNextRetirement: () =>
      api.faults.add({ action: "TerminateInstances", error: { code: "OperationNotPermitted", message: "protected" } }),
    leftovers: (images = []) => cloud.leftovers({ images }),
    close: () => cloud.close(),
  };
}
