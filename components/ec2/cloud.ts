// Amazon EC2: a recipe becomes an AMI. Uses official resources where they exist (images.ts, machine.ts) and our own for
// the rest (resources.ts); this file connects them.
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { builderTag, tagKey, tagNames } from "./facts/tags.ts";
import { formatExpiry, type Role } from "../../common/labels.ts";
import { gibibyte } from "../../common/sizes.ts";
import { UserError } from "../../common/user-error.ts";
import type { Inventory } from "../../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { RootBase } from "../../provision/recipe/recipe.ts";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
import { identityOf, labelsOf } from "../shared/bake-facts.ts";
import { openBastion } from "../shared/bastion.ts";
import { invoke } from "../shared/invoke.ts";
import { Once } from "../shared/once.ts";
import type {
  Bake,
  Base,
  Cloud,
  DeclaredImage,
  Distributed,
  Generation,
  ImageIdentity,
  LocalImage,
  Proof,
  Survey,
  Trial,
} from "../cloud.ts";
import type { OwnKey } from "../shared/login-key.ts";
import { onceMade } from "../life-cycle/outputs.ts";
import type { Ec2Stack } from "./stack.ts";
import { findSshFrom } from "../shared/ssh-from.ts";
import type { Power } from "../stages.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import { checkTunnel } from "../shared/tunnel.ts";
import { baseSource, ec2Distributions, loginUserOf } from "./bases.ts";
import { Ec2Images, imageOutput } from "./images.ts";
import { declareMachine, powerType, type Ec2Machine, type Surroundings } from "./machine.ts";
import * as contract from "./contract.ts";
import { Promotion, steps, type ImageAttributes } from "./resources.ts";

/** A generation as reported by the survey. */
interface Ec2Generation extends Generation {
  base: Base;
  /** The AMI's name. */
  imageName: string;
}

/** An AMI with its attributes, tags and copies. */
interface Ec2Image extends DeclaredImage {
  attributes: ImageAttributes;
  /** Tags for copies. */
  tags: Record<string, string>;
  /** Existing copies: ids by region. */
  copies: Readonly<Record<string, string>>;
}

const defaultTypes = { amd64: "t3.small", arm64: "t4g.small" } as const;

/** The cloud of stack `ec2`, in the region it bakes in. */
export class Ec2Cloud implements Cloud {
  readonly name = "ec2";
  readonly outputName = "aws";
  readonly sizeBytes: number;
  private readonly images: Ec2Images;
  private readonly instanceType: string;
  /** The preflight's result; undefined until it has run. */
  private found?: Pick<Surroundings, "vpc" | "subnets" | "sshFrom" | "sshFromGroups" | "proxy">;
  /** Ids of base images by distribution. */
  private readonly bases = new Map<string, string>();
  /** Recipe hashes of existing images and builders, by distribution. */
  private readonly present = new Map<string, readonly string[]>();

  /**
   * @param place The region.
   * @param ownKey The user's own key pair, from AWS_KEY_PAIR and AWS_KEY_FILENAME.
   * @param once Lookups shared with the clouds of the stack's other recipes.
   */
  constructor(
    private readonly settings: Ec2Stack,
    readonly place: string,
    private readonly state: StackState,
    private readonly ownKey: OwnKey | undefined,
    private readonly once = new Once(),
  ) {
    const { diskSize, instanceType, architecture } = settings.ec2;
    this.sizeBytes = diskSize * gibibyte;
    this.instanceType = instanceType ?? defaultTypes[architecture];
    this.images = new Ec2Images(settings, state, place, once);
  }

  loginUser(distribution: Distribution): string | undefined {
    return this.settings.ec2.bases[distribution.id]?.user ?? loginUserOf(distribution);
  }

  async resolveBase(_base: RootBase, distribution: Distribution, pinned?: Base): Promise<Base> {
    if (pinned) return this.remember(distribution, pinned);
    const { architecture, bases } = this.settings.ec2;
    const source = baseSource(distribution, architecture, bases[distribution.id]);
    if (!source) {
      throw new UserError({
        where: `stack setting ci-images:ec2.bases.${distribution.id}`,
        found: "not set, and no base image of this distribution is known on ec2",
        allowed: ec2Distributions.join(", "),
      });
    }
    const query = { region: this.place, distribution: distribution.id, architecture, source };
    const ask = () => invoke(contract.resolveBase, query);
    return this.remember(distribution, await this.once.get(`ec2 base ${JSON.stringify(query)}`, ask));
  }

  async survey({ id: distribution }: Distribution, worker?: string): Promise<Survey> {
    const owner = { project: pulumi.getProject(), stack: pulumi.getStack(), distribution };
    const query = { region: this.place, copyTo: this.copyTo, ...owner, ...(worker !== undefined && { worker }) };
    const { useless, ...survey } = await this.once.get(`ec2 survey ${JSON.stringify(query)}`, () =>
      invoke(contract.survey, query),
    );
    const { builders, generations } = survey;
    this.present.set(distribution, [...builders, ...generations.map(({ recipe }) => recipe)]);
    return { ...survey, notices: this.images.useless.note(distribution, useless) };
  }

  async preflight({ distribution }: Plan, recipe: string): Promise<void> {
    const { subnet, securityGroup, architecture, bootMode, encrypted } = this.settings.ec2;
    const { place: region, instanceType, copyTo } = this;
    const base = this.bases.get(distribution.id);
    const keyName = this.ownKey?.name;
    const { shareWithAccounts, shareWithOrganizations } = this.settings.ec2;
    const isShared = shareWithAccounts.length + shareWithOrganizations.length > 0;
    const startsFromBase = !this.present.get(distribution.id)?.includes(recipe);
    const image = { bootMode, base, startsFromBase, encrypted, copyTo, isShared };
    const asked = { region, instanceType, architecture, subnet, securityGroup, keyName, ...image };
    const { vpc, cidr, subnets, notices } = await invoke(contract.preflight, asked);
    for (const notice of notices) this.say(notice);
    const proxy = await openBastion(this.settings);
    this.found = { vpc, subnets, ...(await this.sshFrom(vpc, cidr)), proxy };
  }

  declareBuilder(bake: Bake): Ec2Machine {
    const { tier, prefix, base, stage, sealed } = bake;
    const open = stage !== "image";
    const stays = { power: this.powerOf(bake), open, sealed: sealed && !open };
    const image = tier ? tier.image.apply(({ id }) => id!) : base.id;
    return this.machine(bake, `${prefix}-builder`, "builder", image, tier?.proven ?? [], stays);
  }

  declareSealing({ prefix, parent }: Bake, builder: Ec2Machine, after: pulumi.Resource): pulumi.Resource {
    return new steps.SealMark(`${prefix}-sealing`, builder.step, { parent, dependsOn: [after] });
  }

  declareImage(
    bake: Bake,
    builder: Ec2Machine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): Ec2Image {
    const { prefix, parent } = bake;
    const stopped = new steps.Stop(`${prefix}-stop`, builder.step, { parent, dependsOn: [sealed] });
    const tags = this.images.tagsOf(bake, bake.base);
    const identity = identityOf(builder, inventory);
    const making = {
      ...tags,
      [tagNames.builder]: identity.apply(builderTag),
      [tagNames.machine]: builder.lease.machine,
      [tagKey("expires")]: builder.lease.deadline.apply((deadline) => formatExpiry(new Date(deadline))),
    };
    const image = this.images.declareMade(bake, builder.step.instance, making, [stopped]);
    const attributes = this.images.declareAttributes(prefix, this.place, image.id, tags, parent);
    new steps.Retirement(`${prefix}-retirement`, builder.step, { parent, dependsOn: [attributes] });
    const output = imageOutput(image.id, image.name, bake.recipe, attributes.builtAt);
    return { resource: image, output, builder: identity, attributes, tags, copies: {} };
  }

  declareImport(bake: Bake, source: LocalImage): Ec2Image {
    const { prefix, parent, recipe } = bake;
    const tags = this.images.tagsOf(bake, bake.base);
    const resource = this.images.declareImported(bake, source, tags);
    const attributes = this.images.declareAttributes(prefix, this.place, resource.image, tags, parent);
    const output = imageOutput(resource.image, resource.name, recipe, attributes.builtAt);
    return { resource, output, builder: resource.builder, attributes, tags, copies: {} };
  }

  declareGeneration(identity: ImageIdentity, generation: Generation): Ec2Image {
    const { location: id, imageName: name, base, builtAt, builder, copies = {} } = generation as Ec2Generation;
    const { prefix, recipe, parent } = identity;
    const tags = this.images.tagsOf(identity, base);
    const resource = this.images.declarePresent(identity, { id, name }, tags);
    const attributes = this.images.declareAttributes(prefix, this.place, resource.id, tags, parent);
    const output = imageOutput(resource.id, name, recipe, builtAt);
    const image = { resource, output, attributes, tags, copies };
    // Only read when verifying an image that was made earlier.
    return Object.defineProperty(image as Ec2Image, "builder", { get: () => builderOf(id, builder) });
  }

  declareTrial(bake: Bake, image: Ec2Image): Trial {
    const { parent } = bake;
    const prefix = `${bake.prefix}-trial`;
    const machine = this.machine(bake, prefix, "trial", image.resource.id, [image.attributes]);
    return {
      ...machine,
      how: `EC2 ${this.instanceType}`,
      retire: (last) => new steps.Retirement(`${prefix}-retirement`, machine.step, { parent, dependsOn: [last] }),
    };
  }

  declarePromotion(
    { prefix, parent }: Bake,
    image: Ec2Image,
    proof: Proof,
    after: pulumi.Resource[],
  ): pulumi.CustomResource {
    const args = { region: this.place, image: image.resource.id, ...proof };
    return new Promotion(`${prefix}-promotion`, args, { parent, dependsOn: [...after, image.attributes] });
  }

  declareDistribution(identity: ImageIdentity, image: Ec2Image, after: pulumi.Resource[]): Distributed {
    const { prefix, parent, recipe } = identity;
    const { resource, attributes, tags, output } = image;
    const shared = this.images.declarePermissions(prefix, this.place, resource.id, parent, [...after, attributes]);
    const own = onceMade(output, [...after, attributes, ...shared]);
    const copies = this.copyTo.map((region) => {
      const name = `${prefix}-${region}`;
      // Only proven images are copied.
      const copyTags = { ...tags, [tagNames.proven]: "as the image it was copied from" };
      const copy = this.images.declareCopy(identity, region, resource.id, copyTags, image.copies[region], after);
      const copied = this.images.declareAttributes(name, region, copy.id, tags, parent);
      const permitted = this.images.declarePermissions(name, region, copy.id, parent, [copied]);
      const { builtAt } = attributes;
      const told = imageOutput(copy.id, copied.name, recipe, builtAt);
      return [region, onceMade(told, [copied, ...permitted])] as const;
    });
    return { [this.place]: own, ...Object.fromEntries(copies) };
  }

  /** Prints a notice once, however many distributions and recipes there are. */
  private say(notice: string): void {
    void this.once.get(`ec2 says ${notice}`, () => pulumi.log.info(notice));
  }

  /** The addresses that SSH comes from; asked once, because all machines are reached the same way. */
  private from(reached: Parameters<typeof findSshFrom>[1]): Promise<string[]> {
    return this.once.get(`ec2 from ${JSON.stringify(reached)}`, () => findSshFrom(this.settings, reached));
  }

  /**
   * The networks that SSH is open to; none if the user's own security group decides that.
   * @param cidr The network of the machines' private addresses.
   */
  private async sshFrom(
    vpc: string,
    cidr: string | undefined,
  ): Promise<Pick<Surroundings, "sshFrom" | "sshFromGroups">> {
    const { securityGroup, address, tunnel } = this.settings.ec2;
    if (tunnel !== undefined) await checkTunnel(tunnel);
    if (securityGroup !== undefined || tunnel === "session-manager") return { sshFrom: [] };
    if (tunnel === "instance-connect") {
      const asked = { region: this.place, vpc };
      const found = await invoke(contract.instanceConnect, asked);
      if (!found.preservesClientIp) return { sshFrom: [], sshFromGroups: found.groups };
      return { sshFrom: await this.from({ family: 4, isPrivate: false }) };
    }
    const isPrivate = address === "private";
    const networks = isPrivate && cidr !== undefined ? [cidr] : [];
    return { sshFrom: await this.from({ family: 4, networks, isPrivate }) };
  }

  /**
   * Whether the builder should run, if we decide that. Stage `image` needs no power resource: the builder runs anyway,
   * and a sealed one must not be started again. Only a builder that an earlier stage powered off has to be started.
   */
  private powerOf({ prefix, sealed, stage }: Bake): Power | undefined {
    if (sealed) return undefined;
    const isKnown = this.state.has(powerType, `${prefix}-builder-power`);
    return stage !== "image" || isKnown ? this.settings.power : undefined;
  }

  private remember({ id }: Distribution, base: Base): Base {
    this.bases.set(id, base.id);
    return base;
  }

  private get copyTo(): string[] {
    return this.settings.ec2.copyTo.filter((region) => region !== this.place);
  }

  private machine(
    bake: Bake,
    prefix: string,
    role: Role,
    image: pulumi.Input<string>,
    after: pulumi.Resource[],
    stays: { power?: Power; open?: boolean; sealed?: boolean } = {},
  ): Ec2Machine {
    if (!this.found) throw new Error("a machine was declared without a preflight");
    const { distribution, parent, base } = bake;
    const labels = { ...labelsOf(bake, role), base: base.id };
    const { settings, place: region, instanceType } = this;
    // A trial machine gets its own key: the builder's key must not open the image.
    const ownKey = role === "builder" ? this.ownKey : undefined;
    const provider: aws.Provider = this.images.provider(region);
    const surroundings = { settings, region, instanceType, provider, ownKey, state: this.state, ...this.found };
    const { loginUser } = distribution;
    return declareMachine(surroundings, { prefix, labels, image, loginUser, parent, after, ...stays });
  }
}

function builderOf(image: string, builder: BuilderIdentity | undefined): pulumi.Output<BuilderIdentity> {
  if (builder) return pulumi.output(builder);
  throw new UserError({
    where: `image ${image}`,
    found: `has no tag ${tagNames.builder}, so its verification can't compare the booted machine with the builder`,
    cure: "deregister it; the next `pulumi up` bakes it again",
  });
}
