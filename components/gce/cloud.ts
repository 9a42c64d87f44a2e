// Google Compute Engine. Uses official resources (@pulumi/gcp) where they exist, and our own for the rest
// (resources.ts); this file connects them.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { packFacts } from "../../common/image-facts.ts";
import { labelKey, type Role } from "../../common/labels.ts";
import { gceLabels, imageName, ownLabels } from "./facts/labels.ts";
import { UserError } from "../../common/user-error.ts";
import { withoutDetails } from "../../provision/plan/explain.ts";
import type { Inventory } from "../../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { RootBase } from "../../provision/recipe/recipe.ts";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
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
import { identityOf, labelsOf } from "../shared/bake-facts.ts";
import type { BakeStage } from "../stages.ts";
import { openBastion, type Proxy } from "../shared/bastion.ts";
import { importLeaseName, keepImportLease } from "../shared/import-lease.ts";
import { invoke } from "../shared/invoke.ts";
import { Once } from "../shared/once.ts";
import type { OwnKey } from "../shared/login-key.ts";
import { onceMade } from "../life-cycle/outputs.ts";
import type { GceStack } from "./stack.ts";
import { familyOf, findSshFrom } from "../shared/ssh-from.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import { checkTunnel } from "../shared/tunnel.ts";
import { baseSource } from "./bases.ts";
import { familyName } from "./family.ts";
import { declareMachine, type GceMachine, type MachineContext } from "./machine.ts";
import * as contract from "./contract.ts";
import {
  Clearing,
  DiskDrop,
  Family,
  ImportedImage,
  ImportLease,
  Promotion,
  Retirement,
  SealMark,
  Stop,
} from "./resources.ts";
import { zoneOf } from "./zone.ts";

interface GceGeneration extends Generation {
  builder: BuilderIdentity;
}

/** The official resource, or our own for an imported image. */
type ImageResource = pulumi.CustomResource & {
  readonly [Name in "name" | "selfLink" | "creationTimestamp"]: pulumi.Output<string>;
} & { readonly diskSizeGb: pulumi.Output<number> };

interface GceImage extends DeclaredImage {
  resource: ImageResource;
}

/** Guest OS features of our disks, supported by the kernels of all distributions that are baked locally. */
const importedFeatures = ["UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC"];

/** A description holds 2048 characters. */
const packing = { longest: 2048, dispensable: ["plan"] };

/** Inputs that an existing image keeps: the API may have changed them since, or we no longer know them. */
const settled = [
  "description",
  "diskSizeGb",
  "family",
  "guestOsFeatures",
  "imageEncryptionKey",
  "labels",
  "licenses",
  "rawDisk",
  "shieldedInstanceInitialState",
  "sourceDisk",
  "sourceImage",
  "sourceSnapshot",
  "storageLocations",
];

/** The source addresses of Google's TCP forwarding: https://cloud.google.com/iap/docs/using-tcp-forwarding */
const iapRange = "35.235.240.0/20";

const defaultMachineTypes = { amd64: "e2-standard-2", arm64: "t2a-standard-2" };

/** Stack `gce`: one project. */
export class GceCloud implements Cloud {
  readonly name = "gce";
  readonly outputName = "gce";
  private readonly pulumiProject = pulumi.getProject();
  private readonly stack = pulumi.getStack();
  private readonly where = `Pulumi.${this.stack}.yaml`;
  private readonly machineType: string;
  /** Finds the base image of each distribution. */
  private readonly findBase = new Map<string, () => Promise<contract.FoundBase>>();
  /** The base images of the distributions that will be baked. */
  private readonly bases = new Map<string, contract.FoundBase>();
  /** Distributions that already have a builder. */
  private readonly occupied = new Set<string>();
  private sshFrom: string[] = [];
  private proxy?: Proxy;

  /**
   * @param place The project's id.
   * @param provider The official provider, logged in.
   * @param state The resources already in the state.
   * @param ownKey The user's own key, if any.
   * @param once Lookups shared with the clouds of the stack's other recipes.
   */
  constructor(
    private readonly settings: GceStack,
    readonly place: string,
    private readonly provider: gcp.Provider,
    private readonly state: StackState,
    private readonly ownKey?: OwnKey,
    private readonly once = new Once(),
  ) {
    const { machineType, architecture } = settings.gce;
    this.machineType = machineType ?? defaultMachineTypes[architecture];
  }

  loginUser({ id }: Distribution): string | undefined {
    return this.settings.gce.bases[id]?.user;
  }

  async resolveBase(_base: RootBase, { id: distribution }: Distribution, pinned?: Base): Promise<Base> {
    const { gce } = this.settings;
    const { place: project, where } = this;
    const asked = { project, distribution, architecture: gce.architecture };
    const source = baseSource(distribution, gce, project, where);
    const pin = pinned && { pinned: pinned.id };
    const query = { ...asked, source, ...pin };
    const ask = () => this.once.get(`gce base ${JSON.stringify(query)}`, () => invoke(contract.resolveBase, query));
    this.findBase.set(distribution, ask);
    // A pinned base may be gone, which matters only if something will be baked: preflight looks.
    if (pinned) return pinned;
    const { id, description, notice } = await ask();
    return { id, description, ...(notice !== undefined && { notice }) };
  }

  buildOn({ id }: Distribution, below: GceCloud): void {
    const find = below.findBase.get(id);
    // A disk inherits its features from its base.
    if (find) this.findBase.set(id, async () => ({ ...(await find()), sizeGb: below.settings.gce.diskSize }));
  }

  async survey({ id: distribution }: Distribution, worker?: string): Promise<Survey> {
    const owner = { ...this.owner, distribution };
    const asked = { project: this.place, owner, ...(worker !== undefined && { worker }) };
    const { images, unfinished, ...builders } = await this.once.get(`gce survey ${JSON.stringify(asked)}`, () =>
      invoke(contract.survey, asked),
    );
    if (builders.builders.length + builders.expired.length > 0) this.occupied.add(distribution);
    else this.occupied.delete(distribution);
    const generations = images.map(({ image: location, builtAt, proven, facts }): GceGeneration => {
      const { recipe, name, base, builder, plan } = facts;
      return { recipe, name, base, builder, plan, builtAt, proven, location };
    });
    const notices = unfinished.map(({ image, status }) => `image ${image} is ${status}: will be removed`);
    return { generations, ...builders, notices };
  }

  async preflight({ distribution, name }: Plan, recipe: string, stage: BakeStage): Promise<void> {
    this.familyOf({ name, distribution });
    const { architecture, network, diskSize, diskType, firewall, spot, publicAddress, subnetwork, tunnel } =
      this.settings.gce;
    const { where } = this;
    // An image that was baked elsewhere has no base here.
    const base = await this.findBase.get(distribution.id)?.();
    if (base) this.bases.set(distribution.id, base);
    const { sizeGb = 0 } = base ?? {};
    if (diskSize < sizeGb) {
      const allowed = `at least ${sizeGb}: the base image of ${distribution.id} is as large`;
      throw new UserError({ where, key: "ci-images:gce.diskSize", found: `${diskSize}`, allowed });
    }
    // We can't read another project's network.
    const looksAt = network.includes("/") ? {} : { network };
    const { place: project, machineType } = this;
    // An existing builder needs no quota: it is resumed, or ended before another is made.
    const room = { diskSize, diskType, spot, publicAddress, firewall };
    const asked = {
      project,
      zone: this.zoneOf(distribution),
      machineType,
      architecture,
      ...(stage === "image" && { image: { name: this.imageName({ name, distribution, recipe }), owner: this.owner } }),
      ...looksAt,
      // The network of their private addresses, to find the way to them.
      ...(!publicAddress &&
        firewall &&
        tunnel === undefined && { inside: { network, ...(subnetwork !== undefined && { subnetwork }) } }),
      ...(!this.occupied.has(distribution.id) && { room }),
    };
    const { ranges } = await invoke(contract.preflight, asked);
    this.proxy = await openBastion(this.settings);
    if (tunnel !== undefined) await checkTunnel(tunnel);
    if (!firewall) return;
    if (tunnel === "iap" && this.settings.sshFrom === undefined) {
      this.sshFrom = [iapRange];
      return;
    }
    const reached = { family: 4 as const, networks: publicAddress ? [] : (ranges ?? []), isPrivate: !publicAddress };
    // Asked once: all machines are reached the same way.
    const opened = await this.once.get(`gce from ${JSON.stringify(reached)}`, () =>
      findSshFrom(this.settings, reached),
    );
    // A rule's ranges must be of one family, and machines are reached by IPv4.
    this.sshFrom = opened.filter((range) => familyOf(range) === 4);
  }

  declareBuilder(bake: Bake): GceMachine {
    const base = this.bases.get(bake.distribution.id)!;
    return declareMachine(bake, this.context(), {
      prefix: `${bake.prefix}-builder`,
      zone: this.zoneOf(bake.distribution),
      labels: this.labels(bake, "builder"),
      image: bake.tier ? bake.tier.image.apply(({ id }) => id!) : base.image,
      after: bake.tier?.proven,
      diskSize: this.settings.gce.diskSize,
      keepDisk: true,
      shielded: base.features.includes("UEFI_COMPATIBLE"),
      loginUser: bake.plan.distribution.loginUser,
      makes: this.imageName(bake),
      open: bake.stage !== "image",
      power: this.settings.power,
      sealed: bake.sealed,
      ownKey: this.ownKey,
    });
  }

  declareSealing({ prefix, parent }: Bake, { place }: GceMachine, after: pulumi.Resource): pulumi.Resource {
    return new SealMark(`${prefix}-sealing`, place, { parent, dependsOn: [after] });
  }

  declareImage(
    bake: Bake,
    builder: GceMachine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): GceImage {
    const { prefix, parent, recipe, name, base, distribution } = bake;
    const { place: project, provider } = this;
    const retired = new Stop(`${prefix}-retirement`, builder.place, { parent, dependsOn: [sealed] });
    const imageName = this.imageName(bake);
    const room = new Clearing(
      `${prefix}-clearing`,
      { project, image: imageName, instance: builder.place.instance, owner: this.owner },
      { parent, dependsOn: [retired] },
    );
    const identity = identityOf(builder, inventory);
    const { id, description } = base;
    const facts = { recipe, name, base: { id, description }, plan: withoutDetails(bake.description) };
    const expiring = labelKey(gceLabels, "expires");
    const line = `${name} for ${distribution.id}, recipe ${recipe.slice(0, 12)}, made of ${description}`;
    const { storageLocations, guestOsFeatures } = this.settings.gce;
    const recorded = this.state.outputsOf("gcp:compute/image:Image", prefix);
    const image = new gcp.compute.Image(
      prefix,
      {
        project,
        name: imageName,
        description: pulumi
          .all([identity, builder.labels])
          .apply(([builder, { [expiring]: expires }]) => packFacts(line, { ...facts, builder, expires }, packing)),
        // Leave the label out rather than unset it: the official provider would set an empty one.
        labels: builder.labels.apply(({ [expiring]: _, ...labels }) => ({
          ...labels,
          [labelKey(gceLabels, "role")]: "image",
        })),
        sourceDisk: builder.disk!.selfLink,
        // The image inherits its disk's features. The provider accepts only those it knows, which may not be all.
        ...(guestOsFeatures.length > 0 && { guestOsFeatures: guestOsFeatures.map((type) => ({ type })) }),
        ...(storageLocations.length > 0 && { storageLocations }),
      },
      {
        ...{ parent, provider, dependsOn: [retired, room] },
        // Its name comes from its recipe: if it was deleted by hand, drop the old record before making it again. One in
        // another project is not in the way, and stays until its successor is verified.
        deleteBeforeReplace: (recorded?.project ?? project) === project,
        // For an existing image the API lists the disk's features, too, and the provider would replace it for those.
        ignoreChanges: ["guestOsFeatures"],
      },
    );
    const { zone, machine } = builder.place;
    new DiskDrop(`${prefix}-disk-drop`, { project, zone, machine, image: image.selfLink }, { parent });
    return { ...declared(image, recipe), builder: identity };
  }

  declareImport(bake: Bake, source: LocalImage): GceImage {
    const { prefix, parent, recipe, name, base, distribution } = bake;
    const { place: project } = this;
    const { storageLocations, guestOsFeatures, bucket } = this.settings.gce;
    const image = this.imageName(bake);
    const object = `ci-images/${this.pulumiProject}/${this.stack}/${image}.tar.gz`;
    const { maxLifetimeSeconds: lifetime } = this.settings;
    const lease = new ImportLease(
      importLeaseName(bake),
      { project, bucket: bucket!, object, image, lifetime },
      { parent },
    );
    const { id, description } = base;
    const importing = {
      folder: source.path,
      ...{ recipe, bucket: bucket!, object, expires: lease.expires, storageLocations },
      line: `${name} for ${distribution.id}, recipe ${recipe.slice(0, 12)}, made of ${description}`,
      facts: { recipe, name, base: { id, description }, plan: withoutDetails(bake.description) },
      labels: ownLabels(this.labels(bake, "image"), this.settings.tags),
      guestOsFeatures: [...new Set([...importedFeatures, ...guestOsFeatures])],
    };
    const made = new ImportedImage(prefix, { project, name: image, importing }, { parent, dependsOn: [lease] });
    return { ...declared(made, recipe), builder: made.builder };
  }

  declareGeneration(identity: ImageIdentity, generation: Generation): GceImage {
    const { prefix, parent, recipe } = identity;
    const { location: name } = generation;
    const { place: project, provider } = this;
    if (this.state.has(contract.ImportedImage.token, prefix)) {
      const kept = { identity, state: this.state };
      const dependsOn = generation.proven ? [] : keepImportLease(ImportLease, contract.ImportLease, kept);
      const imported = new ImportedImage(prefix, { project, name }, { parent, dependsOn });
      return { ...declared(imported, recipe), builder: imported.builder };
    }
    const known = this.state.has("gcp:compute/image:Image", prefix);
    const image = new gcp.compute.Image(
      prefix,
      { project, name },
      {
        parent,
        provider,
        ignoreChanges: settled,
        // The state was lost, but the image was not.
        ...(!known && { import: `projects/${project}/global/images/${name}` }),
      },
    );
    return { ...declared(image, recipe), builder: pulumi.output((generation as GceGeneration).builder) };
  }

  declareTrial(bake: Bake, { resource: image }: GceImage): Trial {
    const prefix = `${bake.prefix}-trial`;
    const zone = this.zoneOf(bake.distribution);
    const machine = declareMachine(bake, this.context(), {
      prefix,
      zone,
      labels: this.labels(bake, "trial"),
      image: image.selfLink,
      boots: pulumi.interpolate`${image.selfLink}@${image.creationTimestamp}`,
      // Larger than the image, like some workers' disks: the root must grow to fill it.
      diskSize: image.diskSizeGb.apply((size) => size + 1),
      keepDisk: false,
      shielded: (this.bases.get(bake.distribution.id)?.features ?? importedFeatures).includes("UEFI_COMPATIBLE"),
      // Its own key: the builder's key must not open the image.
      loginUser: bake.plan.distribution.loginUser,
      power: "on",
      after: [image],
    });
    return {
      ...machine,
      how: machine.madeWith.apply(({ machineType }) => `Compute Engine, ${machineType} in ${zone}`),
      retire: (last) => {
        const options = { parent: bake.parent, dependsOn: [last] };
        return new Retirement(`${prefix}-retirement`, machine.place, options);
      },
    };
  }

  declarePromotion(
    { prefix, parent }: Bake,
    { resource: image }: GceImage,
    proof: Proof,
    after: pulumi.Resource[],
  ): pulumi.CustomResource {
    const args = { project: this.place, image: image.name, builtAt: image.creationTimestamp, ...proof };
    return new Promotion(`${prefix}-promotion`, args, { parent, dependsOn: after });
  }

  declareDistribution(
    { prefix, parent, name, distribution }: ImageIdentity,
    { resource: image, output }: GceImage,
    after: pulumi.Resource[],
  ): Distributed {
    const { place: project } = this;
    const family = this.familyOf({ name, distribution });
    if (family === undefined) return { [project]: onceMade(output, after) };
    const joined = new Family(
      `${prefix}-family`,
      { project, image: image.name, family },
      { parent, dependsOn: after, deletedWith: image },
    );
    return { [project]: onceMade(output, [...after, joined]) };
  }

  private context(): MachineContext {
    const { settings, place: project, provider, machineType, sshFrom, proxy, state } = this;
    return { settings, project, provider, machineType, sshFrom, proxy, state };
  }

  /** @throws UserError if the stack's template doesn't give a valid name. */
  private familyOf({ name, distribution }: Pick<ImageIdentity, "name" | "distribution">): string | undefined {
    return familyName(this.settings.gce.family, { stack: this.stack, name, distribution: distribution.id }, this.where);
  }

  private zoneOf({ id }: Distribution): string {
    return zoneOf(this.settings.gce.zone, id, this.where);
  }

  private labels(bake: Bake, role: Role) {
    const { id } = bake.base;
    return { ...labelsOf(bake, role), base: id.slice(id.lastIndexOf("/") + 1).replace(/@\d+$/, "") };
  }

  private get owner(): { project: string; stack: string } {
    return { project: this.pulumiProject, stack: this.stack };
  }

  private imageName({ name, distribution, recipe }: Pick<ImageIdentity, "name" | "distribution" | "recipe">): string {
    return imageName(this.stack, { name, distribution: distribution.id, recipe });
  }
}

function declared(resource: ImageResource, recipe: string) {
  const { selfLink, name, creationTimestamp } = resource;
  const output = pulumi
    .all([selfLink, name, creationTimestamp])
    .apply(([id, name, made]) => ({ id, name, recipe, builtAt: new Date(made).toISOString() }));
  return { resource, output };
}
