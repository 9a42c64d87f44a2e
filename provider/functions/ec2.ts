// What the program asks of EC2 before it declares anything.
import type { Image, _InstanceType } from "@aws-sdk/client-ec2";
import { cloudLabels, type Labels } from "../../common/labels.ts";
import { UserError } from "../../common/user-error.ts";
import { findBase, type BaseQuery, type FoundBase } from "../ec2/base.ts";
import { asking, configuredRegion, ec2, errorCode, isGone } from "../ec2/client.ts";
import { tagKey, tagNames } from "../../common/ec2-tags.ts";
import { findImages, findInstances, tagsOf } from "../ec2/things.ts";
import type { FunctionType } from "../resource.ts";
import { ec2Sweep } from "./ec2-sweep.ts";

/** `ci-images:ec2:configuredRegion`: where AWS's own configuration points. */
export const ec2Region: FunctionType<object, { region: string }> = {
  token: "ci-images:ec2:configuredRegion",
  call: async () => ({ region: await configuredRegion() }),
};

/** `ci-images:ec2:resolveBase`: looks a base image up. */
export const ec2ResolveBase: FunctionType<BaseQuery, FoundBase> = {
  token: "ci-images:ec2:resolveBase",
  call: (query) => findBase(query),
};

interface SurveyInputs {
  region: string;
  /** Where copies are. */
  copyTo: string[];
  project: string;
  stack: string;
  distribution: string;
}

/** An image, with properties as Generation of components/cloud.ts has them. */
export interface SurveyedImage {
  recipe: string;
  proven: boolean;
  base: { id: string; description: string };
  builtAt: string;
  /** The recipe's name. */
  name: string;
  /** The AMI's id. */
  location: string;
  /** The AMI's name. */
  imageName: string;
  builder?: { machineId: string; hostKeys: string[]; loginKey: string };
  /** Copies' ids by region. */
  copies: Record<string, string>;
}

/** `ci-images:ec2:survey`: the stack's images of one distribution, the newest first, and the recipes of its builders. */
export const ec2Survey: FunctionType<SurveyInputs, { generations: SurveyedImage[]; builders: string[] }> = {
  token: "ci-images:ec2:survey",
  async call({ region, copyTo, project, stack, distribution }) {
    const labels = (role: Labels["role"]) => cloudLabels("ec2", { project, stack, distribution, role });
    return asking(`looking for images of ${distribution} in ${region}`, async () => {
      const [images, builders, ...copies] = await Promise.all([
        availableImages(region, labels("image")),
        findInstances(region, labels("builder")),
        ...copyTo.map((place) => availableImages(place, labels("image"))),
      ]);
      const generations = images.map((image) => {
        const there = copyTo.flatMap((place, index) => {
          const copy = copies[index].find((other) => recipeOf(other) === recipeOf(image));
          return copy ? [[place, copy.ImageId!] as const] : [];
        });
        return generationOf(image, Object.fromEntries(there));
      });
      generations.sort((a, b) => b.builtAt.localeCompare(a.builtAt));
      return { generations, builders: builders.map((builder) => tagsOf(builder)[tagKey("recipe")] ?? "") };
    });
  },
};

async function availableImages(region: string, tags: Record<string, string>): Promise<Image[]> {
  return (await findImages(region, tags)).filter(({ State }) => State === "available");
}

function recipeOf(image: Image): string {
  return tagsOf(image)[tagKey("recipe")] ?? "";
}

function generationOf(image: Image, copies: Record<string, string>): SurveyedImage {
  const tags = tagsOf(image);
  const [machineId, hostKey, loginKey] = (tags[tagNames.builder] ?? "").split(" ");
  const ed25519 = (data: string) => `ssh-ed25519 ${data}`;
  const baseId = tags[tagKey("base")] ?? "";
  return {
    recipe: recipeOf(image),
    proven: tags[tagNames.proven] !== undefined,
    base: { id: baseId, description: tags[tagNames.baseDescription] ?? baseId },
    builtAt: new Date(image.CreationDate!).toISOString(),
    name: tags[tagNames.recipeName] ?? "",
    location: image.ImageId!,
    imageName: image.Name!,
    ...(loginKey && { builder: { machineId, hostKeys: [ed25519(hostKey)], loginKey: ed25519(loginKey) } }),
    copies,
  };
}

interface PreflightInputs {
  region: string;
  instanceType: string;
  architecture: "amd64" | "arm64";
  subnet?: string;
  securityGroup?: string;
  /** A key pair of the user's that has to be there. */
  keyName?: string;
}

/** `ci-images:ec2:preflight`: refuses to start a bake that can't end well, and tells in which VPC it will be. */
export const ec2Preflight: FunctionType<PreflightInputs, { vpc: string }> = {
  token: "ci-images:ec2:preflight",
  async call(inputs) {
    const { region } = inputs;
    return asking(`preparing a bake in ${region}`, async () => {
      const [vpc] = await Promise.all([findVpc(inputs), checkType(inputs), checkKeyName(inputs)]);
      return { vpc };
    });
  },
};

async function findVpc({ region, subnet, securityGroup }: PreflightInputs): Promise<string> {
  const client = await ec2(region);
  const where = (key: string) => `stack setting ci-images:ec2.${key}`;
  let vpc: string | undefined;
  if (subnet !== undefined) {
    const { Subnets } = await unlessMissing(where("subnet"), subnet, region, () =>
      client.describeSubnets({ SubnetIds: [subnet] }),
    );
    vpc = Subnets?.[0]?.VpcId;
  } else {
    const { Vpcs } = await client.describeVpcs({ Filters: [{ Name: "is-default", Values: ["true"] }] });
    vpc = Vpcs?.[0]?.VpcId;
  }
  if (vpc === undefined) {
    const found = `not set, and the account has no default VPC in ${region}`;
    throw new UserError({
      where: where("subnet"),
      found,
      cure: "set the id of a subnet from which machines reach the internet",
    });
  }
  if (securityGroup === undefined) return vpc;
  const { SecurityGroups } = await unlessMissing(where("securityGroup"), securityGroup, region, () =>
    client.describeSecurityGroups({ GroupIds: [securityGroup] }),
  );
  const other = SecurityGroups?.[0]?.VpcId;
  if (other !== vpc) {
    throw new UserError({
      where: where("securityGroup"),
      found: `${securityGroup} is in ${other}`,
      allowed: `one of ${vpc}`,
    });
  }
  return vpc;
}

async function checkType({ region, instanceType, architecture }: PreflightInputs): Promise<void> {
  const where = "stack setting ci-images:ec2.instanceType";
  const client = await ec2(region);
  const InstanceTypes = [instanceType as _InstanceType];
  try {
    const answer = await client.describeInstanceTypes({ InstanceTypes });
    const able = answer.InstanceTypes?.[0]?.ProcessorInfo?.SupportedArchitectures ?? [];
    const wanted = architecture === "amd64" ? "x86_64" : "arm64";
    if (able.length > 0 && !able.includes(wanted)) {
      throw new UserError({
        where,
        found: `${instanceType} is for ${able.join(", ")}`,
        allowed: `a type for ${wanted}`,
      });
    }
  } catch (error) {
    if (errorCode(error) !== "InvalidInstanceType") throw error;
    throw new UserError({
      where,
      found: `there is no ${instanceType} in ${region}`,
      cure: "e.g. t3.small or t4g.small",
    });
  }
}

async function checkKeyName({ region, keyName }: PreflightInputs): Promise<void> {
  if (keyName === undefined) return;
  const client = await ec2(region);
  await unlessMissing("environment variable AWS_KEY_PAIR", keyName, region, () =>
    client.describeKeyPairs({ KeyNames: [keyName] }),
  );
}

async function unlessMissing<T>(where: string, id: string, region: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isGone(error)) throw error;
    throw new UserError({ where, found: `there is no ${id} in ${region}` });
  }
}

/** Every function of stack `ec2`. */
export const ec2Functions = [ec2Region, ec2ResolveBase, ec2Survey, ec2Preflight, ec2Sweep];
