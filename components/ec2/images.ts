// Declares AMIs: made from a builder, imported, already present, or copied to other regions; and who may launch them.
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { cloudLabels, cloudName } from "../../common/labels.ts";
import { ec2Labels } from "./facts/labels.ts";
import { tagNames } from "./facts/tags.ts";
import { parseDuration } from "../../common/sizes.ts";
import type { ImageIdentity, ImageOutput, LocalImage } from "../cloud.ts";
import type { Once } from "../shared/once.ts";
import type { Ec2Stack } from "./stack.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import { AdoptedImage, ImageAttributes, ImageLease, ImportedImage } from "./resources.ts";
import { UselessImages } from "./blocking-images.ts";

/** Types of the official resources, as the state has them. */
export const imageTypes = {
  made: "aws:ec2/amiFromInstance:AmiFromInstance",
  copied: "aws:ec2/amiCopy:AmiCopy",
  imported: "ci-images:ec2:ImportedImage",
  adopted: "ci-images:ec2:AdoptedImage",
} as const;

/** Inputs that only matter when an image is made; later changes to them are ignored. */
const settled = [
  "name",
  "description",
  "sourceInstanceId",
  "snapshotWithoutReboot",
  "ebsBlockDevices",
  "ephemeralBlockDevices",
  "deprecationTime",
  "tags",
  "tagsAll",
];

/** Where a copy came from. */
const origin = ["name", "sourceAmiId", "sourceAmiRegion"];

/** AWS takes up to 60 minutes for large disks; our own provider waits as long. */
const customTimeouts = { create: "60m" };

/** Declares AMIs of one stack. */
export class Ec2Images {
  /** Images that block new ones; known once the survey has run. */
  readonly useless = new UselessImages((id) => this.isInState(id));

  constructor(
    private readonly settings: Ec2Stack,
    private readonly state: StackState,
    /** The region that images are baked in. */
    private readonly region: string,
    private readonly once: Once,
  ) {}

  /** A provider for each region. Credentials and endpoint come from the environment. */
  provider(region: string): aws.Provider {
    return this.once.get(`aws-${region}`, () => new aws.Provider(`aws-${region}`, { region }));
  }

  /** The AMI's name, unless it is taken. Names are unique in an account and region. */
  private nameOf({ name, distribution, recipe }: ImageIdentity): string {
    return cloudName(ec2Labels, pulumi.getProject(), pulumi.getStack(), name, distribution.id, recipe.slice(0, 12));
  }

  /** Tags that an image, its copies and their snapshots share. */
  tagsOf(identity: ImageIdentity, base: { id: string; description: string }): Record<string, string> {
    const { distribution, recipe, name, worker } = identity;
    const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };
    const labels = { ...owner, distribution: distribution.id, recipe, role: "image" as const, base: base.id, worker };
    return {
      ...cloudLabels(ec2Labels, labels, this.settings.tags),
      Name: this.nameOf(identity),
      [tagNames.recipeName]: name,
      [tagNames.baseDescription]: base.description,
    };
  }

  /** A new AMI made from a stopped builder. */
  declareMade(
    identity: ImageIdentity,
    instance: pulumi.Input<string>,
    tags: Record<string, pulumi.Input<string>>,
    after: pulumi.Resource[],
  ): aws.ec2.AmiFromInstance {
    const { prefix, distribution, recipe, parent } = identity;
    const lease = this.declareLease(identity, this.region);
    const ended = this.useless.declareEnd(identity, this.region, prefix);
    return new aws.ec2.AmiFromInstance(
      prefix,
      {
        name: this.freeName(identity, this.region, imageTypes.made, prefix),
        description: `${identity.name}: ${distribution.id}, recipe ${recipe.slice(0, 12)}`,
        sourceInstanceId: instance,
        // The instance is stopped, so no reboot is needed.
        snapshotWithoutReboot: true,
        tags,
      },
      {
        parent,
        provider: this.provider(this.region),
        deletedWith: lease,
        dependsOn: [...after, lease, ...ended],
        customTimeouts,
      },
    );
  }

  /** A new AMI made from a disk on this computer. */
  declareImported(identity: ImageIdentity, { path }: LocalImage, tags: Record<string, string>): ImportedImage {
    const { prefix, distribution, recipe, parent } = identity;
    const { diskSize, bootMode = "uefi-preferred", encrypted, kmsKeys } = this.settings.ec2;
    const lease = this.declareLease(identity, this.region);
    const ended = this.useless.declareEnd(identity, this.region, prefix);
    const key = encrypted ? kmsKeys[this.region] : undefined;
    const importing = {
      folder: path,
      recipe,
      name: this.freeName(identity, this.region, imageTypes.imported, prefix),
      description: `${identity.name}: ${distribution.id}, recipe ${recipe.slice(0, 12)}`,
      lease: this.leaseTags(identity),
      lifetime: this.settings.maxLifetimeSeconds,
      ...{ diskSize, bootMode, encrypted },
      ...(key !== undefined && { kmsKey: key }),
    };
    const args = { region: this.region, tags, importing };
    return new ImportedImage(prefix, args, { parent, deletedWith: lease, dependsOn: [lease, ...ended] });
  }

  /** An existing AMI as the state has it; one missing from the state is adopted. */
  declarePresent(
    identity: ImageIdentity,
    image: { id: string; name: string },
    tags: Record<string, string>,
  ): pulumi.CustomResource {
    const { prefix, parent } = identity;
    const lease = this.declareLease(identity, this.region);
    this.useless.declareEnd(identity, this.region, prefix);
    const kept = { parent, deletedWith: lease, dependsOn: [lease] };
    if (this.isManaged(imageTypes.imported, prefix, image.id)) {
      return new ImportedImage(prefix, { region: this.region, tags }, kept);
    }
    if (!this.isManaged(imageTypes.made, prefix, image.id)) {
      return new AdoptedImage(prefix, { region: this.region, image: image.id, tags }, kept);
    }
    return new aws.ec2.AmiFromInstance(
      prefix,
      // Required but ignored: the state keeps its own values.
      { name: image.name, sourceInstanceId: "i-00000000000000000" },
      { ...kept, provider: this.provider(this.region), ignoreChanges: settled, customTimeouts },
    );
  }

  /** A copy in another region. */
  declareCopy(
    identity: ImageIdentity,
    region: string,
    source: pulumi.Output<string>,
    tags: Record<string, string>,
    present: string | undefined,
    after: pulumi.Resource[],
  ): pulumi.CustomResource {
    const { distribution, recipe, parent } = identity;
    const name = `${identity.prefix}-${region}`;
    const lease = this.declareLease(identity, region);
    const ended = this.useless.declareEnd(identity, region, name);
    const kept = { parent, deletedWith: lease };
    if (present !== undefined && !this.isManaged(imageTypes.copied, name, present)) {
      return new AdoptedImage(name, { region, image: present, tags }, { ...kept, dependsOn: [lease] });
    }
    const { encrypted, kmsKeys } = this.settings.ec2;
    return new aws.ec2.AmiCopy(
      name,
      {
        // Ignored if the copy exists.
        name: this.freeName(identity, region, imageTypes.copied, name),
        description: `${identity.name}: ${distribution.id}, recipe ${recipe.slice(0, 12)}`,
        sourceAmiId: source,
        sourceAmiRegion: this.region,
        ...(encrypted && { encrypted, ...(kmsKeys[region] && { kmsKeyId: kmsKeys[region] }) }),
        tags,
      },
      {
        ...kept,
        provider: this.provider(region),
        dependsOn: [...after, lease, ...ended],
        // An existing copy keeps its inputs. ImageAttributes sets the deprecation.
        ignoreChanges: ["encrypted", "kmsKeyId", "deprecationTime", ...(present === undefined ? [] : origin)],
        customTimeouts,
      },
    );
  }

  /** Attributes and snapshot tags of an AMI. */
  declareAttributes(
    name: string,
    region: string,
    image: pulumi.Input<string>,
    tags: Record<string, string>,
    parent: pulumi.Resource,
  ): ImageAttributes {
    const { deprecateAfter, deregistrationProtection: protect } = this.settings.ec2;
    const seconds = deprecateAfter === undefined ? undefined : parseDuration(deprecateAfter);
    const args = { region, image, tags, protect, ...(seconds !== undefined && { deprecateAfter: seconds }) };
    return new ImageAttributes(`${name}-attributes`, args, { parent });
  }

  /** Who else may launch an AMI. */
  declarePermissions(
    name: string,
    region: string,
    imageId: pulumi.Output<string>,
    parent: pulumi.Resource,
    after: pulumi.Resource[],
  ): pulumi.Resource[] {
    const { shareWithAccounts, shareWithOrganizations } = this.settings.ec2;
    const shares = [
      ...shareWithAccounts.map((account) => ({ to: account, args: { accountId: account } })),
      ...shareWithOrganizations.map((arn) => ({
        to: arn.split("/").at(-1)!,
        args: arn.includes(":organization/") ? { organizationArn: arn } : { organizationalUnitArn: arn },
      })),
    ];
    const options = { parent, provider: this.provider(region), dependsOn: after };
    return shares.map(
      ({ to, args }) => new aws.ec2.AmiLaunchPermission(`${name}-for-${to}`, { imageId, ...args }, options),
    );
  }

  /** Declared before the image, and therefore deleted after it. */
  private declareLease(identity: ImageIdentity, region: string): ImageLease {
    const { prefix, parent } = identity;
    const tags = this.leaseTags(identity);
    const name = region === this.region ? prefix : `${prefix}-${region}`;
    return new ImageLease(`${name}-lease`, { region, name: this.nameOf(identity), tags }, { parent });
  }

  /** The tags that identify an image and its snapshots. */
  private leaseTags({ distribution, recipe, worker }: ImageIdentity): Record<string, string> {
    const owner = { project: pulumi.getProject(), stack: pulumi.getStack() };
    return cloudLabels(ec2Labels, { ...owner, distribution: distribution.id, recipe, role: "image", worker });
  }

  /**
   * The name for a new AMI. If the state has one under the usual name, that one failed or was deregistered; reusing its
   * name would make the engine keep it.
   */
  private freeName(identity: ImageIdentity, region: string, type: string, name: string): string {
    const lost = this.state.outputsOf(type, name)?.name as string | undefined;
    return this.useless.freeName(identity, region, this.nameOf(identity), lost);
  }

  /** Whether the state has this AMI under any name. */
  private isInState(id: string): boolean {
    return Object.values(imageTypes).some((type) =>
      this.state.namesOf(type).some((name) => this.isManaged(type, name, id)),
    );
  }

  /** Whether the state has this AMI, rather than an earlier one that failed or no longer exists. */
  private isManaged(type: string, name: string, id: string): boolean {
    const known = this.state.outputsOf(type, name);
    return (known?.image ?? known?.id) === id;
  }
}

/** An AMI's stack output. */
export function imageOutput(
  id: pulumi.Output<string>,
  name: pulumi.Input<string>,
  recipe: string,
  builtAt: pulumi.Input<string>,
): pulumi.Output<ImageOutput> {
  return pulumi.all([id, name, builtAt]).apply(([id, name, builtAt]) => ({ id, name, recipe, builtAt }));
}
