// The shape of the stack's outputs.
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { ImageOutput, Place } from "../../components/cloud.ts";
import { stackOutputs } from "../../components/life-cycle/outputs.ts";

describe("the stack's outputs", () => {
  const image = (id: string) => pulumi.output<ImageOutput>({ recipe: "r", builtAt: "t", id });
  const known = <T>(value: pulumi.Input<T>) =>
    new Promise<unknown>((resolve) => pulumi.output(value).apply((it) => resolve(it)));

  it("list `local` images by distribution, and nothing for ci-platform", async () => {
    const place = { name: "local", outputName: "local" } as Place;
    const outputs = stackOutputs([{ place, name: "debian12", key: "debian12", images: { local: image("a") } }], {});
    assert.deepEqual(await known(outputs), { images: { local: { debian12: { recipe: "r", builtAt: "t", id: "a" } } } });
  });

  it("list cloud images by place and distribution, and their ids in ci-platform's format", async () => {
    const place = { name: "ec2", outputName: "aws", place: "us-west-2" } as Place;
    const outputs = stackOutputs(
      [
        {
          place,
          name: "debian12",
          key: "debian12",
          images: { "us-west-2": image("ami-1"), "eu-west-1": image("ami-2") },
        },
        { place, name: "rocky9", key: "rocky9", images: { "us-west-2": image("ami-3") } },
      ],
      {},
    );
    const { images, ciPlatform } = (await known(outputs)) as {
      images: Record<string, Record<string, Record<string, ImageOutput>>>;
      ciPlatform: unknown;
    };
    assert.equal(images.aws["eu-west-1"].debian12.id, "ami-2");
    assert.deepEqual(ciPlatform, {
      jenkins: {
        clouds: {
          images: { aws: { "us-west-2": { debian12: "ami-1", rocky9: "ami-3" }, "eu-west-1": { debian12: "ami-2" } } },
        },
      },
    });
  });

  it("list the builders that are kept", async () => {
    const place = { name: "local", outputName: "local" } as Place;
    const builder = { recipe: "r", stage: "tested" as const, power: "on" as const };
    const outputs = stackOutputs([{ place, name: "debian12", key: "debian12", images: {}, builder }], {});
    assert.deepEqual(await known(outputs), { images: { local: {} }, builders: { debian12: builder } });
  });
});
