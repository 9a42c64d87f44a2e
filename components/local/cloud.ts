// The embedded cloud: containers and disks on this computer, without an account. The resources are implemented in
// components/local/provider/resources/; this file connects them.
import { isAbsolute, join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { presentModules } from "../../provision/builder/builder-folders.ts";
import { doorUser } from "../../provision/builder/door.ts";
import { ancestorsOf } from "../../provision/plan/explain.ts";
import type { Inventory } from "../../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { RootBase } from "../../provision/recipe/recipe.ts";
import { assertSealedScript } from "../../provision/seal/seal.ts";
import type {
  Bake,
  Base,
  DeclaredImage,
  Distributed,
  Generation,
  ImageIdentity,
  LocalBakery,
  Machine,
  Proof,
  Survey,
  Tier,
  Trial,
} from "../cloud.ts";
import { identityOf, labelsOf } from "../shared/bake-facts.ts";
import { invoke } from "../shared/invoke.ts";
import { Once } from "../shared/once.ts";
import { onceMade } from "../life-cycle/outputs.ts";
import { KeyPair } from "../shared/resources.ts";
import type { Settings } from "../stack-settings.ts";
import type { BakeStage } from "../stages.ts";
import * as contract from "./contract.ts";
import { BaseImage, Builder, Image, Layer, Lease, Promotion, steps, VirtualMachine } from "./resources.ts";

/** A machine of this cloud, with the name that steps use to find it. */
interface LocalMachine extends Machine {
  name: pulumi.Output<string>;
}

/** The `local` stack's cloud. */
export class LocalCloud implements LocalBakery {
  readonly name: string = "local";
  readonly outputName: string = "local";
  readonly readsStopped = true;
  private readonly project = pulumi.getProject();
  private readonly stack = pulumi.getStack();
  /** The image directory: images are found by its content. */
  private readonly home: string;
  private accelerator?: string;
  /** Bases by their ids. */
  private readonly bases = new Map<string, contract.ResolvedBase>();
  /** Recipes of the existing builders and images, by distribution. */
  private readonly found = new Map<string, string[]>();

  /** Recipes that this stack bakes to be imported: it may finish what another stack left unverified. */
  private readonly wanted = new Set<string>();

  /** Checksums of the existing images' disks, by recipe. */
  private readonly disks = new Map<string, string | undefined>();

  /**
   * @param settings The stack's settings.
   * @param projectDirectory The base of relative paths in settings and recipes' bases.
   * @param once Lookups shared with the clouds of the stack's other recipes.
   */
  constructor(
    private readonly settings: Settings,
    private readonly projectDirectory: string,
    private readonly once = new Once(),
  ) {
    const { imageDirectory } = settings;
    this.home = isAbsolute(imageDirectory) ? imageDirectory : join(projectDirectory, imageDirectory);
  }

  async resolveBase(base: RootBase, distribution: Distribution, pinned?: Base): Promise<Base> {
    const mirror = {
      kind: "mirror" as const,
      distribution: distribution.id,
      mirror: this.settings.mirrors[distribution.name],
    };
    const source = base.kind === "mirror" ? { ...mirror, ...withoutUndefined(base) } : base;
    const asked = { source, projectDirectory: this.projectDirectory };
    const found = await this.once.get(`local base ${JSON.stringify(asked)}`, () => invoke(contract.resolveBase, asked));
    // A pinned base comes from the cache; if it was lost there, making it fails unless the source still has it.
    const resolved = pinned ? { ...found, ...pinned } : found;
    this.bases.set(resolved.id, resolved);
    return resolved;
  }

  async survey({ id: distribution }: Distribution, worker?: string): Promise<Survey> {
    const { home, project, stack } = this;
    const owner = { home, project, stack, distribution };
    const found = this.once.get(`local survey ${JSON.stringify(owner)}`, () => invoke(contract.findImages, owner));
    const { images, machines } = await found;
    const generations = images.map(generationOf);
    const own = machines.filter((machine) => machine.worker === worker);
    const builders = own.map(({ recipe }) => recipe);
    const sealed = own.filter((machine) => machine.sealed).map(({ recipe }) => recipe);
    for (const { manifest, sha256 } of images) this.disks.set(manifest.recipe, sha256);
    this.found.set(distribution, [...builders, ...images.map(({ manifest }) => manifest.recipe)]);
    return { generations, builders, sealed };
  }

  async findBaked({ id: distribution }: Distribution, recipe: string): Promise<Generation | undefined> {
    this.wanted.add(recipe);
    const asked = { home: this.home, distribution, recipe, claim: !pulumi.runtime.isDryRun() };
    const { image } = await invoke(contract.findBaked, asked);
    return image && generationOf(image);
  }

  async describe(location: string) {
    const path = resolve(this.projectDirectory, location);
    const found = await invoke(contract.describeImage, { path });
    const { distribution, size: sizeBytes, base, plan } = found.manifest;
    return { ...generationOf(found), distribution, sizeBytes, base, plan };
  }

  async preflight(plan: Plan, recipe: string, stage: BakeStage): Promise<void> {
    const ready = await invoke(contract.preflight, {
      home: this.home,
      size: plan.sizeBytes,
      builder: !this.found.get(plan.distribution.id)?.includes(recipe),
      image: stage === "image",
      boots: stage === "image" && this.settings.verify.enabled && this.settings.cloud === this.name,
      made: {
        path: this.pathOf({ plan, recipe }),
        ...{ project: this.project, stack: this.stack },
        takesOver: this.wanted.has(recipe),
        claim: stage === "image" && !pulumi.runtime.isDryRun(),
      },
    });
    this.accelerator = ready.accelerator;
  }

  declareBuilder(bake: Bake): LocalMachine {
    const { plan, prefix, parent, tier } = bake;
    const options = { parent };
    const after = { parent, dependsOn: tier?.proven };
    const resolved = tier ? imageBase(tier) : this.bases.get(bake.base.id)!;
    const base = new BaseImage(`${prefix}-base`, { base: resolved }, after);
    const login = new KeyPair(`${prefix}-login-key`, { comment: `ci-images ${prefix}` }, options);
    const host = new KeyPair(`${prefix}-host-key`, { comment: `ci-images host ${prefix}` }, options);
    const lease = this.lease(bake, "builder", this.pathOf(bake), tier?.proven);
    const builder = new Builder(
      `${prefix}-builder`,
      {
        name: lease.machine,
        deadline: lease.deadline,
        labels: this.labels(bake, "builder"),
        base: base.path,
        size: plan.sizeBytes,
        modules: this.settings.layers ? plan.modules.map(({ prefixHash }) => prefixHash) : [],
        loginUser: plan.distribution.loginUser,
        authorizedKey: login.publicKey,
        hostPrivateKey: host.privateKey,
        hostPublicKey: host.publicKey,
        power: this.settings.power,
      },
      { parent, deletedWith: lease },
    );
    const machine = this.machine(doorUser, plan, builder, lease, login, host.publicKey);
    const keepLayer: Machine["keepLayer"] = (index, after) => this.keepLayer(bake, machine, index, after);
    const startingLayer = { count: builder.fromLayer.apply((count) => count ?? 0), list: presentModules };
    return { ...machine, startingLayer, ...(this.settings.layers && { keepLayer }) };
  }

  async countFromLayer({ modules, sizeBytes: size, distribution }: Plan, { id, plan: below }: Base): Promise<number> {
    if (!this.settings.layers) return 0;
    const disk = below && this.disks.get(below.recipe);
    // On an image that has yet to be baked nothing has been built.
    if (below && disk === undefined) return 0;
    const base = disk === undefined ? id : imageBaseId(disk);
    const question = { base, size, loginUser: distribution.loginUser, modules: modules.map((each) => each.prefixHash) };
    return (await invoke(contract.findLayers, question)).count;
  }

  private keepLayer(
    { plan, prefix, parent, interrupted }: Bake,
    { name, instance }: LocalMachine,
    index: number,
    after: pulumi.Input<pulumi.Resource[]>,
  ) {
    const modules = plan.modules.slice(0, index + 1).map((module) => module.name);
    const { name: module, prefixHash } = plan.modules[index];
    const args = { machine: name, instance, prefix: prefixHash, modules, interrupted };
    // An existing layer is not made again when the next `pulumi up` continues with the builder.
    const options = { parent, dependsOn: after, ignoreChanges: ["interrupted"] };
    return new Layer(`${prefix}-${module}-layer`, args, options);
  }

  declareSealing(bake: Bake, builder: LocalMachine, after: pulumi.Resource): pulumi.Resource {
    return this.step("SealMark", `${bake.prefix}-sealing`, builder, bake, after);
  }

  declareImage(
    bake: Bake,
    builder: LocalMachine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): DeclaredImage {
    const { plan, prefix, parent, tier } = bake;
    const stopped = this.step("Stop", `${prefix}-stop`, builder, bake, sealed);
    const making = {
      machine: builder.name,
      base: { id: bake.base.id, description: bake.base.description },
      size: plan.sizeBytes,
      formats: plan.formats,
      plan: bake.description,
      ...(tier && { ancestry: ancestorsOf(bake.description).map(({ name, recipe }) => ({ name, recipe })) }),
      packages: inventory.packages,
      builder: identityOf(builder, inventory),
      interrupted: bake.interrupted,
      modules: plan.modules.map((module) => module.name),
      assertion: builder.authorizedKey.apply((bakeKey) => assertSealedScript({ bakeKeys: [bakeKey] })),
    };
    const identity = this.identity(bake.recipe, plan.name, plan.distribution.id, this.pathOf(bake));
    const image = new Image(prefix, { ...identity, ...making }, { parent, dependsOn: [stopped] });
    this.step("Retirement", `${prefix}-retirement`, builder, bake, image);
    return declared(image);
  }

  declareGeneration(identity: ImageIdentity, { location }: Generation): DeclaredImage {
    const { recipe, name, distribution, prefix, parent } = identity;
    return declared(new Image(prefix, this.identity(recipe, name, distribution.id, location), { parent }));
  }

  declareTrial(bake: Bake, image: DeclaredImage): Trial {
    const { plan, parent } = bake;
    const prefix = `${bake.prefix}-trial`;
    const login = new KeyPair(`${prefix}-login-key`, { comment: `ci-images ${prefix}` }, { parent });
    const lease = this.lease(bake, "trial");
    const { firmware } = this.settings.verify;
    const virtualMachine = new VirtualMachine(
      prefix,
      {
        name: lease.machine,
        deadline: lease.deadline,
        labels: this.labels(bake, "trial"),
        disk: (image.resource as Image).disk,
        firmware,
        loginUser: plan.distribution.loginUser,
        authorizedKey: login.publicKey,
        privateKey: login.privateKey,
      },
      { parent, deletedWith: lease },
    );
    const { user, hostKey } = virtualMachine;
    const machine = this.machine(user, plan, virtualMachine, lease, login, hostKey);
    return {
      ...machine,
      how: `qemu ${this.accelerator}, ${firmware}`,
      retire: (last) => this.step("Retirement", `${prefix}-retirement`, machine, bake, last),
    };
  }

  declarePromotion(
    { prefix, parent }: Bake,
    image: DeclaredImage,
    proof: Proof,
    after: pulumi.Resource[],
  ): pulumi.CustomResource {
    const { path, builtAt } = image.resource as Image;
    return new Promotion(`${prefix}-promotion`, { image: path, builtAt, ...proof }, { parent, dependsOn: after });
  }

  declareDistribution(_identity: ImageIdentity, image: DeclaredImage, after: pulumi.Resource[]): Distributed {
    return { local: onceMade(image.output, after) };
  }

  private lease(bake: Bake, role: "builder" | "trial", image?: string, dependsOn?: pulumi.Resource[]): Lease {
    const prefix = [this.project, this.stack, bake.prefix, role]
      .join("-")
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]/g, "-");
    const { maxLifetimeSeconds: lifetime } = this.settings;
    const labels = this.labels(bake, role);
    const open = role === "builder" && bake.stage !== "image";
    const args = { prefix, labels, lifetime, image, open };
    return new Lease(`${bake.prefix}-${role}-lease`, args, { parent: bake.parent, dependsOn });
  }

  /** @param user The account that runs the commands. */
  private machine(
    user: pulumi.Input<string>,
    { distribution }: Plan,
    resource: Builder | VirtualMachine,
    { machine: name }: Lease,
    login: KeyPair,
    hostKey: pulumi.Output<string>,
  ): LocalMachine {
    const { host, port, instance } = resource;
    const connection = { host, port, user, privateKey: login.privateKey, hostKey };
    const { loginUser } = distribution;
    return { connection, loginUser, instance, authorizedKey: login.publicKey, ready: resource, name };
  }

  private step(
    type: keyof typeof steps,
    name: string,
    machine: LocalMachine,
    { parent }: Bake,
    after: pulumi.Resource,
  ): pulumi.Resource {
    const args = { machine: machine.name, instance: machine.instance };
    return new steps[type](name, args, { parent, dependsOn: [after] });
  }

  private labels(bake: Bake, role: "builder" | "trial") {
    return { ...labelsOf(bake, role), home: this.home };
  }

  private pathOf({ plan, recipe }: Pick<Bake, "plan" | "recipe">): string {
    return join(this.home, plan.distribution.id, `${plan.name}-${recipe.slice(0, 12)}`);
  }

  private identity(recipe: string, name: string, distribution: string, path: string) {
    return { path, recipe, name, distribution, project: this.project, stack: this.stack };
  }
}

/** A proven image's root file system, when a builder starts from it. */
function imageBase({ image }: Tier): pulumi.Output<contract.ResolvedBase> {
  return image.apply(({ path, sha256, recipe }) => ({
    id: imageBaseId(sha256!),
    source: { kind: "image" as const, path: path! },
    description: `recipe ${recipe.slice(0, 8)}`,
  }));
}

/** The id in the cache of an image as a base. */
function imageBaseId(sha256: string): string {
  return `image-${sha256}`;
}

function generationOf({ path, manifest, proof }: contract.DescribedImage): Generation {
  const { recipe, plan, base, builtAt, name } = manifest;
  return { recipe, proven: proof !== undefined, plan, base, builtAt, name, location: path };
}

function declared(image: Image): DeclaredImage {
  const { path, disk, sha256, bytes, recipe, builtAt } = image;
  const output = pulumi
    .all([path, disk, sha256, bytes, recipe, builtAt])
    .apply(([path, disk, sha256, bytes, recipe, builtAt]) => ({ path, disk, sha256, bytes, recipe, builtAt }));
  return { resource: image, output, builder: image.builder };
}

function withoutUndefined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
