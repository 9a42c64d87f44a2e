// Opens EC2 as the stack's cloud: finds the region, and refuses contradictory settings.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { durationForm, parseDuration } from "../../common/sizes.ts";
import { invoke } from "../shared/invoke.ts";
import type { Cloud } from "../cloud.ts";
import { readOwnKey } from "../shared/login-key.ts";
import { Once } from "../shared/once.ts";
import type { Ec2Stack } from "./stack.ts";
import type { Opening } from "../open-clouds.ts";
import { refuseOtherPlaces } from "../life-cycle/other-places.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import * as contract from "./contract.ts";
import { Ec2Cloud } from "./cloud.ts";

export const open: Opening<Ec2Stack> = (settings, _projectDirectory, state, once) => openEc2(settings, state, once);

/**
 * Opens the one region that stack `ec2` bakes in. Images in other regions are copies.
 * @throws UserError if no region is configured, settings contradict each other, or the AWS configuration alone names
 *   the region and the images are in another one, or a former lease would remove images in a region.
 */
export async function openEc2(settings: Ec2Stack, state: StackState, once = new Once()): Promise<Cloud[]> {
  refuseOfficialConfiguration();
  const configured = () => invoke(contract.configuredRegion, {});
  const region = settings.ec2.region ?? (await once.get("ec2 region", configured)).region;
  refuseContradictions(settings, region);
  if (settings.ec2.region === undefined) {
    const from = { source: "the AWS configuration names", set: "AWS_REGION, AWS_DEFAULT_REGION or the profile" };
    const mayMove = !hasCopies(region, state);
    refuseOtherPlaces({ key: "ci-images:ec2.region", place: region, mayMove, ...from }, bakedIn(state));
  }
  refuseSwappedRegions(settings, region, state);
  const ownKey = readOwnKey({ name: "AWS_KEY_PAIR", privateKey: "AWS_KEY_FILENAME" }, process.env);
  return [new Ec2Cloud(settings, region, state, ownKey, once)];
}

/**
 * The regions that the state's images were baked in. Goes by their leases, because the official AMI resource records no
 * region. A copy has a lease of its own, whose name ends with the region.
 */
function bakedIn(state: StackState): ReadonlySet<string> {
  const isImages = (name: string, type: string) =>
    type === contract.ImageLease.token && state.hasName(name.slice(0, -"-lease".length));
  const regions = [...state.placesOf(isImages)].map(String);
  const isOwn = (region: string) => (name: string, type: string) =>
    isImages(name, type) && !name.endsWith(`-${region}-lease`);
  return new Set(regions.filter((region) => state.placesOf(isOwn(region)).has(region)));
}

/** Whether the state has copies in a region of images that were baked in another one. */
function hasCopies(region: string, state: StackState): boolean {
  const isCopysLease = (name: string, type: string) =>
    type === contract.ImageLease.token && name.endsWith(`-${region}-lease`);
  return state.placesOf(isCopysLease).has(region);
}

/**
 * Refuses to bake in a region that the stack has copied images to, and to copy an import to the region it was baked in.
 * The old lease there, which is no longer declared, would remove the image that is declared in its place.
 */
function refuseSwappedRegions({ bakery, ec2: { copyTo } }: Ec2Stack, region: string, state: StackState): void {
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  const update = `\`npx pulumi up -s ${pulumi.getStack()}\``;
  const others = [...bakedIn(state)].filter((each) => each !== region);
  if (hasCopies(region, state)) {
    const before = others.join(" or ") || "the region before";
    throw new UserError({
      where,
      key: "ci-images:ec2.region",
      found: `${region}, where the stack has copies of images that were baked in ${before}; they would be deleted`,
      cure:
        `set it back to ${before}; for ${region} use another stack, or first leave it out of ci-images:ec2.copyTo and ` +
        `run ${update}, which deletes the copies there`,
    });
  }
  // An import is of the same recipe in every region; a bake is not, because base images differ.
  const former = bakery === "local" ? others.filter((each) => copyTo.includes(each)) : [];
  if (former.length > 0) {
    throw new UserError({
      where,
      key: "ci-images:ec2.copyTo",
      found: `${former.join(", ")}, where the stack's images were imported before; the copies there would be deleted`,
      cure: `leave it out and run ${update}, which imports in ${region}; then add it again`,
    });
  }
}

/** Refuses configuration that only the official provider reads: our own calls would go elsewhere. */
function refuseOfficialConfiguration(): void {
  const given = Object.keys(pulumi.runtime.allConfig()).filter((key) => key.startsWith("aws:"));
  if (given.length === 0) return;
  throw new UserError({
    where: `Pulumi.${pulumi.getStack()}.yaml`,
    key: given.join(", "),
    found: "configuration of the official provider",
    allowed: "ci-images:ec2.region, and AWS_PROFILE or other AWS_* variables for credentials",
  });
}

/** Seconds. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html */
const longestDeprecation = 3650 * 86_400;

function refuseContradictions({ ec2 }: Ec2Stack, region: string): void {
  const refuse = (key: string, found: string, allowed: string, cure?: string): never => {
    throw new UserError({ where: `stack setting ci-images:ec2.${key}`, found, allowed, cure });
  };
  if (ec2.tunnel === "session-manager" && ec2.instanceProfile === undefined) {
    const allowed =
      "the name of an instance profile with the policy AmazonSSMManagedInstanceCore: the machine's agent needs it";
    refuse("instanceProfile", "not set, and ci-images:ec2.tunnel is session-manager", allowed);
  }
  const { deprecateAfter } = ec2;
  if (deprecateAfter !== undefined && parseDuration(deprecateAfter) === undefined) {
    refuse("deprecateAfter", JSON.stringify(deprecateAfter), durationForm);
  }
  if (deprecateAfter !== undefined && parseDuration(deprecateAfter)! > longestDeprecation) {
    refuse(
      "deprecateAfter",
      JSON.stringify(deprecateAfter),
      "at most 3650 days: AWS accepts no date more than ten years ahead",
    );
  }
  for (const [place, key] of Object.entries(ec2.kmsKeys)) {
    const at = key.split(":")[3];
    if (at !== place) refuse(`kmsKeys.${place}`, `a key of ${at}: ${key}`, `a key of ${place}`);
  }
  const shares = ec2.shareWithAccounts.length + ec2.shareWithOrganizations.length > 0;
  const lacking = [region, ...ec2.copyTo].filter((each) => !ec2.kmsKeys[each]);
  if (shares && ec2.encrypted && lacking.length > 0) {
    refuse(
      "kmsKeys",
      `no key for ${lacking.join(", ")}, and sharing is set`,
      "a customer's key in every region: images encrypted with AWS's own EBS key can't be shared",
      "set kmsKeys (and let the other accounts use those keys), or `encrypted: false`",
    );
  }
}
