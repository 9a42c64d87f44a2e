// One region of an OpenStack, Rackspace's or any other. Uses official resources (@pulumi/openstack) where they exist,
// and our own for the rest (resources.ts); this file connects them.
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import { labelKey, type Role } from "../../common/labels.ts";
import { openstackLabels } from "./facts/labels.ts";
import { withoutDetails } from "../../provision/plan/explain.ts";
import type { Inventory } from "../../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { RootBase } from "../../provision/recipe/recipe.ts";
import type {
  Bake,
  Base,
  Cloud,
  DeclaredImage,
  Distributed,
  Generation,
  ImageIdentity,
  ImageOutput,
  LocalImage,
  Proof,
  Survey,
  Trial,
} from "../cloud.ts";
import { identityOf, labelsOf } from "../shared/bake-facts.ts";
import { openBastion } from "../shared/bastion.ts";
import { importLeaseName, keepImportLease } from "../shared/import-lease.ts";
import { invoke } from "../shared/invoke.ts";
import { Once } from "../shared/once.ts";
import type { OwnKey } from "../shared/login-key.ts";
import type { InputsOf } from "../../common/contract.ts";
import type { ArgsOf } from "../shared/own-resource.ts";
import { onceMade } from "../life-cycle/outputs.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import type { OpenStackStack } from "./stack.ts";
import { findSshFrom } from "../shared/ssh-from.ts";
import { baseOf } from "./bases.ts";
import { declareMachine, type MachineContext, type OpenStackMachine } from "./machine.ts";
import * as contract from "./contract.ts";
import { ImageLook, ImportLease, Promotion, ServerImage, Sharing, steps } from "./resources.ts";

/** An image, and the check that it outlived its server. */
interface OpenStackImage extends DeclaredImage {
  resource: ServerImage;
  look?: ImageLook;
}

/** A stack's OpenStack in one region. */
export class OpenStackCloud implements Cloud {
  /** The stack's name for the cloud, `openstack` or `rackspace`: the key of its settings and outputs. */
  readonly name: string;
  readonly outputName: string;
  private readonly project = pulumi.getProject();
  private readonly stack = pulumi.getStack();
  /** The resolved base image of each distribution. */
  private readonly bases = new Map<string, string>();
  /** Distributions that already have a builder. */
  private readonly occupied = new Set<string>();
  /** The region's preflight results. */
  private found?: Pick<MachineContext, "preflight" | "sshFrom" | "proxy">;

  /**
   * @param place The region.
   * @param state The resources already in the state.
   * @param login Keystone's address, if the official provider needs it, and the user's own key pair.
   * @param once Lookups shared with the clouds of the stack's other recipes.
   */
  constructor(
    private readonly settings: OpenStackStack,
    readonly place: string,
    private readonly state: StackState,
    private readonly login: { authUrl?: string; ownKey?: OwnKey } = {},
    private readonly once = new Once(),
  ) {
    this.name = settings.cloud;
    this.outputName = settings.cloud;
  }

  /** The key of the settings, for messages of functions; they assume `rackspace` by default. */
  private get section(): { section?: string } {
    return this.name === "rackspace" ? {} : { section: this.name };
  }

  loginUser({ id }: Distribution): string | undefined {
    return this.settings.openstack.bases[id]?.user;
  }

  async resolveBase(_base: RootBase, { id: distribution }: Distribution, pinned?: Base): Promise<Base> {
    if (pinned) {
      this.bases.set(distribution, pinned.id);
      return pinned;
    }
    const { architecture, bases } = this.settings.openstack;
    const { id, name } = bases[distribution] ?? {};
    const chosen = id === undefined && name === undefined ? undefined : { id, name };
    // A base chosen by hand works for any distribution.
    const base = chosen
      ? { needed: [], words: [], properties: { os_distro: [], os_version: [] } }
      : baseOf(distribution, this.name);
    const asked = { region: this.place, distribution, base, architecture, ...(chosen && { chosen }), ...this.section };
    const ask = () => invoke(contract.resolveBase, asked);
    const found = await this.once.get(`openstack base ${JSON.stringify(asked)}`, ask);
    this.bases.set(distribution, found.id);
    return found;
  }

  async survey({ id: distribution }: Distribution, worker?: string): Promise<Survey> {
    const { place: region, project, stack } = this;
    const owner = { region, project, stack, distribution, ...(worker !== undefined && { worker }) };
    const { images, ...builders } = await this.once.get(`rackspace survey ${JSON.stringify(owner)}`, () =>
      invoke(contract.survey, owner),
    );
    if (builders.builders.length + builders.expired.length > 0) this.occupied.add(distribution);
    else this.occupied.delete(distribution);
    const generations = images.map(({ id: location, plan, ...image }) => ({
      ...image,
      plan,
      base: plan?.base,
      location,
    }));
    return { generations, ...builders };
  }

  async preflight({ distribution }: Plan): Promise<void> {
    const { flavor, networks, floatingNetwork, volume } = this.settings.openstack;
    const { ownKey } = this.login;
    const base = this.bases.get(distribution.id);
    const asked: InputsOf<typeof contract.preflight> = { region: this.place, networks, ...this.section };
    if (flavor !== undefined) asked.flavor = flavor;
    if (floatingNetwork !== undefined) asked.floatingNetwork = floatingNetwork;
    if (volume) asked.volumeSize = volume.size;
    if (base !== undefined) asked.base = base;
    // An existing builder needs no quota: it is resumed, or ended before another is made.
    if (this.occupied.has(distribution.id)) asked.occupied = true;
    if (ownKey?.name !== undefined) asked.keyPair = { name: ownKey.name, publicKey: ownKey.publicKey };
    const { reached, ...preflight } = await invoke(contract.preflight, asked);
    // Asked once: all machines of a region are reached the same way.
    const key = `rackspace from ${this.place} ${JSON.stringify(reached)}`;
    const sshFrom = await this.once.get(key, () => findSshFrom(this.settings, reached));
    this.found = { preflight, sshFrom, proxy: await openBastion(this.settings) };
  }

  declareBuilder(bake: Bake): OpenStackMachine {
    const { ownKey } = this.login;
    return declareMachine(bake, this.machineContext(), {
      prefix: `${bake.prefix}-builder`,
      labels: this.labels(bake, "builder"),
      image: bake.tier ? bake.tier.image.apply(({ id }) => id!) : bake.base.id,
      after: bake.tier?.proven,
      volume: this.settings.openstack.volume,
      // A tier's image may have been made from a volume, or not: its recipe can have other settings.
      imageBytes: bake.tier?.image.apply(({ bytes }) => bytes ?? 0),
      loginUser: bake.plan.distribution.loginUser,
      power: this.settings.power,
      sealed: bake.sealed,
      open: bake.stage !== "image",
      ...(ownKey && { ownKey, ownKeyPair: this.ownKeyPair(ownKey) }),
    });
  }

  declareSealing(bake: Bake, builder: OpenStackMachine, after: pulumi.Resource): pulumi.Resource {
    return this.step("SealMark", `${bake.prefix}-sealing`, builder, bake, after);
  }

  declareImage(
    bake: Bake,
    builder: OpenStackMachine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): OpenStackImage {
    const { prefix, parent } = bake;
    const stopped = this.step("Stop", `${prefix}-stop`, builder, bake, sealed);
    const making = {
      server: builder.server,
      machine: builder.lease.machine,
      base: bake.base.id,
      expires: builder.lease.metadata.apply((metadata) => metadata[labelKey(openstackLabels, "expires")]),
      plan: withoutDetails(bake.description),
      builder: identityOf(builder, inventory),
    };
    const image = new ServerImage(prefix, { ...this.identity(bake), making }, { parent, dependsOn: [stopped] });
    const retired = this.step("Retirement", `${prefix}-retirement`, builder, bake, image);
    const args = { region: this.place, image: image.image };
    const look = new ImageLook(`${prefix}-image-look`, args, { parent, dependsOn: [retired] });
    return { ...declared(image), look };
  }

  declareImport(bake: Bake, source: LocalImage): OpenStackImage {
    const { prefix, parent, distribution } = bake;
    const { project, stack, place: region } = this;
    const labels = this.labels(bake, "image");
    const lease = new ImportLease(
      importLeaseName(bake),
      { region, prefix: `${project}-${stack}-${prefix}`, labels, lifetime: this.settings.maxLifetimeSeconds },
      { parent },
    );
    const importing = {
      folder: source.path,
      machine: lease.machine,
      base: bake.base.id,
      expires: lease.expires,
      plan: withoutDetails(bake.description),
      format: this.settings.openstack.diskFormat,
      defaults: {
        ...{ architecture: "x86_64", os_type: "linux", hw_disk_bus: "virtio" },
        ...{ os_distro: distribution.name, os_version: distribution.version },
      },
    };
    return declared(new ServerImage(prefix, { ...this.identity(bake), importing }, { parent, dependsOn: [lease] }));
  }

  declareGeneration(identity: ImageIdentity, { proven }: Generation): OpenStackImage {
    const { prefix, parent } = identity;
    const kept = { identity, state: this.state };
    const dependsOn = proven ? [] : keepImportLease(ImportLease, contract.ImportLease, kept);
    return declared(new ServerImage(prefix, this.identity(identity), { parent, dependsOn }));
  }

  declareTrial(bake: Bake, image: OpenStackImage): Trial {
    const prefix = `${bake.prefix}-trial`;
    // Its own key: the builder's key must not open the image.
    const machine = declareMachine(bake, this.machineContext(), {
      prefix,
      labels: this.labels(bake, "trial"),
      image: (image.look ?? image.resource).image,
      // A flavor without a disk boots an imported image from a volume only.
      volume: this.settings.openstack.volume,
      imageBytes: image.resource.bytes,
      loginUser: bake.plan.distribution.loginUser,
      power: "on",
    });
    return {
      ...machine,
      how: `OpenStack, flavor ${this.settings.openstack.flavor}`,
      retire: (last) => this.step("Retirement", `${prefix}-retirement`, machine, bake, last),
    };
  }

  declarePromotion(
    { prefix, parent }: Bake,
    image: OpenStackImage,
    proof: Proof,
    after: pulumi.Resource[],
  ): pulumi.CustomResource {
    const args = { region: this.place, image: image.resource.image, ...proof };
    const dependsOn = image.look ? [...after, image.look] : after;
    return new Promotion(`${prefix}-promotion`, args, { parent, dependsOn });
  }

  declareDistribution(
    { prefix, parent }: ImageIdentity,
    { resource, output }: OpenStackImage,
    after: pulumi.Resource[],
  ): Distributed {
    const { visibility, members } = this.settings.openstack;
    if (visibility === "private") return { [this.place]: onceMade(output, after) };
    const args = { region: this.place, image: resource.image, visibility, members };
    const shared = new Sharing(`${prefix}-sharing`, args, { parent, dependsOn: after });
    return { [this.place]: onceMade(output, [...after, shared]) };
  }

  /** The official provider for this region; declared only when needed. */
  private provider(): openstack.Provider {
    const { authUrl } = this.login;
    // Without it the official provider gives up at the first 429.
    const args = { region: this.place, maxRetries: 10, ...(authUrl !== undefined && { authUrl }) };
    const name = `${this.name}-${this.place}`;
    return this.once.get(name, () => new openstack.Provider(name, args));
  }

  private machineContext(): MachineContext {
    if (!this.found) throw new Error(`preflight was not asked for region ${this.place}`);
    return { settings: this.settings, region: this.place, provider: this.provider(), ...this.found };
  }

  /** The user's own key pair; uploaded if the region lacks it, and never deleted. */
  private ownKeyPair({ name, publicKey }: OwnKey) {
    if (name === undefined || this.machineContext().preflight.hasKeyPair)
      return name === undefined ? undefined : { name };
    const logicalName = `${this.place}-own-key-pair`;
    const resource = this.once.get(logicalName, () => {
      const options = { provider: this.provider(), retainOnDelete: true };
      return new openstack.compute.Keypair(logicalName, { region: this.place, name, publicKey }, options);
    });
    return { name: resource.name };
  }

  private step(
    type: keyof typeof steps,
    name: string,
    { server }: OpenStackMachine,
    { parent }: Bake,
    after: pulumi.Resource,
  ): pulumi.Resource {
    return new steps[type](name, { region: this.place, server }, { parent, dependsOn: [after] });
  }

  private labels(bake: Bake, role: Role) {
    return { ...labelsOf(bake, role), base: bake.base.id };
  }

  private identity({ name, recipe, distribution, worker }: ImageIdentity): ArgsOf<typeof contract.ServerImage> {
    const { project, stack, place: region } = this;
    const properties = { ...this.settings.tags, ...this.settings.openstack.properties };
    const identity = { region, project, stack, distribution: distribution.id, recipe, name, properties };
    return worker === undefined ? identity : { ...identity, worker };
  }
}

function declared(resource: ServerImage): OpenStackImage {
  const { image, imageName, bytes, recipe, builtAt, builder } = resource;
  const output: pulumi.Output<ImageOutput> = pulumi
    .all([image, imageName, bytes, recipe, builtAt])
    .apply(([id, name, size, hash, at]) => ({ id, name, bytes: size, recipe: hash, builtAt: at }));
  return { resource, output, builder };
}
