// Lookups on EC2 that the program makes before it declares anything.
import type { _InstanceType } from "@aws-sdk/client-ec2";
import { UserError } from "../../../../common/user-error.ts";
import { findBase } from "../base.ts";
import { asking, configuredRegion, ec2, errorCode, isGone } from "../client.ts";
import { bootModeOf, bootsIn } from "../boot-mode.ts";
import { checkDefaultEncryption } from "../default-encryption.ts";
import { defaultSubnets } from "../subnets.ts";
import { findImage } from "../tagged-resources.ts";
import type { AnswerOf, InputsOf } from "../../../../common/contract.ts";
import * as contract from "../../contract.ts";
import { answer } from "../../../../provider/resource.ts";

export const ec2Region = answer(contract.configuredRegion, async () => ({ region: await configuredRegion() }));

export const ec2ResolveBase = answer(contract.resolveBase, (query) => findBase(query));

export const ec2Preflight = answer(contract.preflight, async (inputs) => {
  const { region } = inputs;
  return asking(`preparing a bake in ${region}`, async () => {
    // First: no zone has a type that doesn't exist.
    await checkType(inputs);
    const [place, notices] = await Promise.all([
      findPlace(inputs),
      inputs.encrypted ? [] : checkDefaultEncryption([region, ...inputs.copyTo], inputs.isShared),
      checkKeyName(inputs),
      checkBase(inputs),
    ]);
    return { ...place, notices };
  });
});

type PreflightInputs = InputsOf<typeof contract.preflight>;
/** The network that machines will be in. */
type Place = Omit<AnswerOf<typeof contract.preflight>, "notices">;

async function findPlace({ region, subnet, securityGroup, instanceType }: PreflightInputs): Promise<Place> {
  const client = await ec2(region);
  const where = (key: string) => `stack setting ci-images:ec2.${key}`;
  let vpc: string | undefined;
  let cidr: string | undefined;
  if (subnet !== undefined) {
    const { Subnets } = await unlessMissing(where("subnet"), subnet, region, () =>
      client.describeSubnets({ SubnetIds: [subnet] }),
    );
    vpc = Subnets?.[0]?.VpcId;
    cidr = Subnets?.[0]?.CidrBlock;
  } else {
    const { Vpcs } = await client.describeVpcs({ Filters: [{ Name: "is-default", Values: ["true"] }] });
    vpc = Vpcs?.[0]?.VpcId;
    cidr = Vpcs?.[0]?.CidrBlock;
  }
  if (vpc === undefined) {
    const found = `not set, and the account has no default VPC in ${region}`;
    throw new UserError({
      where: where("subnet"),
      found,
      cure: "set the id of a subnet from which machines reach the internet",
    });
  }
  const subnets = subnet === undefined ? await defaultSubnetsOf(region, vpc, instanceType) : [subnet];
  if (securityGroup === undefined) return { vpc, cidr, subnets };
  const { SecurityGroups } = await unlessMissing(where("securityGroup"), securityGroup, region, () =>
    client.describeSecurityGroups({ GroupIds: [securityGroup] }),
  );
  const other = SecurityGroups?.[0]?.VpcId;
  if (other !== vpc) {
    throw new UserError({
      where: where("securityGroup"),
      found: `${securityGroup} is in ${other}`,
      allowed: `a security group of ${vpc}`,
    });
  }
  return { vpc, cidr, subnets };
}

async function defaultSubnetsOf(region: string, vpc: string, instanceType: string): Promise<string[]> {
  const found = await defaultSubnets(region, vpc, instanceType);
  if (found.length > 0) return found.map(({ SubnetId }) => SubnetId!);
  throw new UserError({
    where: "stack setting ci-images:ec2.subnet",
    found: `not set, and ${vpc} has no default subnet in a zone of ${region} that has ${instanceType}`,
    cure: "set the id of a subnet from which machines reach the internet, or another instanceType",
  });
}

async function checkType({ region, instanceType, architecture, bootMode }: PreflightInputs): Promise<void> {
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
    const type = answer.InstanceTypes?.[0];
    if (type && bootMode !== undefined && !bootsIn(type, bootMode)) {
      const found = `${instanceType} boots in ${type.SupportedBootModes!.join(", ")} only, and ci-images:ec2.bootMode is ${bootMode}`;
      throw new UserError({ where, found });
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

/** A pinned base has not been looked up in this run. */
async function checkBase({ region, base, startsFromBase, bootMode }: PreflightInputs): Promise<void> {
  if (base === undefined || (bootMode === undefined && !startsFromBase)) return;
  const image = await findImage(region, base);
  if (startsFromBase && image?.State !== "available") {
    throw new UserError({
      where: `base image ${base} in ${region}`,
      found: image ? `is ${image.State}` : "is gone, or no longer shared with this account",
      cure: "set ci-images:base to latest, to use the newest image",
    });
  }
  if (!image || bootMode === undefined || bootModeOf(image) === bootMode) return;
  throw new UserError({
    where: "stack setting ci-images:ec2.bootMode",
    found: `${bootMode}, but the base image ${base} (${image.Name}) boots in ${bootModeOf(image)}, and an image gets its base's boot mode`,
    cure: "choose another base image (ci-images:ec2.bases), or remove the setting",
  });
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
