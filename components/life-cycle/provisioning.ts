// The steps that run on the builder over SSH, mostly as remote Commands: uploads, modules, reboots, acceptance tests,
// the list of packages, sealing. Each step waits for the previous one and has its dependencies in its triggers, so that
// a failed bake continues at the step that failed. Only the modules that came with a layer run side by side, as they have
// nothing left to do.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { moduleCommand, settleCommand, testsCommand, type BuilderCommand } from "../../provision/builder/commands.ts";
import {
  inventoryCommand,
  parseInventory,
  sealCommand,
  type Inventory,
} from "../../provision/builder/life-cycle-commands.ts";
import { sha256 as sha256Of } from "../../provision/plan/digest.ts";
import type { StepName } from "../../provision/plan/step-names.ts";
import type { Check, ModulePlan } from "../../provision/plan/plan.ts";
import type { Secrets } from "../../provision/recipe/secrets.ts";
import type { Machine } from "../cloud.ts";
import { Return, Upload } from "../shared/resources.ts";

/**
 * How often a connection is tried: 15 s at most per attempt, with pauses that grow to 5 s. The command plugin treats a
 * refused login like a machine that is not up yet. So other resources wait for booting machines (each cloud's first
 * answer, Return). A machine that the previous step reached is given up after eight seconds if it refuses, and after
 * two and a half minutes if nothing answers.
 */
const dialling = { dialErrorLimit: 9, perDialTimeout: 15 };

/**
 * A comment at the end of a remote command. When a script fails, the wrapper on the machine prints the cure; when the
 * connection is lost, the command plugin only shows the command. (The engine's error hooks would be the right place,
 * but up to 3.230 they are only called for partially created resources.)
 */
function ifConnectionIsLost(step: string): string {
  return (
    `# ${step}: if the connection was lost, run pulumi up again: it goes on at this step if the machine is still there and ` +
    "starts on a fresh one if it is not; pulumi destroy removes everything"
  );
}

/**
 * A module's command when only its connection or time limit changed: a restarted builder may have another address, but
 * the module must not run again. Discards the script on standard input.
 */
const nothing = "cat >/dev/null";

/**
 * Inputs that are ignored once the builder is sealed and stopped: all steps have run, and for any change the command
 * plugin would connect. The triggers are not among them, because another builder needs all steps.
 */
const ignoredOnceSealed = ["connection", "create", "update", "stdin", "logging", "addPreviousOutputInEnv"];

/** Which steps on a machine to declare, and its state. */
export interface Steps {
  /** Whether to declare a step, by stage and logical name. */
  isWanted: (goal: "provisioned", name: string) => boolean;
  /** Whether the machine runs. One that is off may have no address, so nothing can run there. */
  isAwake: boolean;
  /** Whether it is sealed and stopped, but has no image yet. */
  isSealed?: boolean;
}

/** Declares the steps on a machine, one after the other. */
export class Provisioning {
  private last: pulumi.Resource;
  /** What the next step waits for. */
  private awaited: pulumi.Input<pulumi.Resource[]>;
  /** False if a step of a module was left out. */
  isComplete = true;

  /**
   * @param prefix Prefix of the logical names.
   * @param machine Where the steps run.
   * @param parent The component.
   * @param secrets Values that must not appear in any output.
   * @param steps By default, all of them on a machine that runs.
   */
  constructor(
    private readonly prefix: string,
    private readonly machine: Machine,
    private readonly parent: pulumi.Resource,
    private readonly secrets: Secrets,
    private readonly steps: Steps = { isWanted: () => true, isAwake: true },
  ) {
    this.last = machine.ready;
    this.awaited = [machine.ready];
  }

  /**
   * Declares the step before the first module: waits until cloud-init has finished, because it writes package sources
   * and users until its very end, and records the machine's files.
   */
  settle(): void {
    const name = this.nameOf("settled");
    const program = settleCommand(this.machine.settles ?? false);
    if (this.wants(name)) this.run(name, "settled", program, [this.machine.instance], nothing);
  }

  /** Declares all uploads and steps of the modules. */
  modules(modules: readonly ModulePlan[]): void {
    const { startingLayer } = this.machine;
    const [start, ends]: [pulumi.Resource, pulumi.Resource[]] = [this.last, []];
    modules.forEach((module, index) => {
      this.module(module, index);
      if (!startingLayer) return;
      ends.push(this.last);
      const soFar = [...ends];
      this.awaited = startingLayer.count.apply((count) => {
        if (soFar.length < count) return [start];
        return soFar.length === count ? soFar : soFar.slice(-1);
      });
    });
  }

  /** @param index The module's place in the plan. */
  private module(module: ModulePlan, index: number): void {
    const { startingLayer, keepLayer } = this.machine;
    const present = startingLayer && { file: startingLayer.list, prefix: module.prefixHash };
    for (const upload of module.uploads) {
      // Named by the destination, because files with different names can have the same content.
      const name = `${this.prefix}-${module.name}-${sha256Of(upload.destination).slice(0, 8)}`;
      if (!this.wants(name)) continue;
      const triggers = [module.prefixHash, this.machine.instance];
      const { source, destination, digest: sha256 } = upload;
      const args = { connection: this.connection, source, destination, sha256, triggers, ...(present && { present }) };
      this.after(new Upload(name, args, this.options()));
    }
    module.steps.forEach(({ kind }, step) => {
      const name = `${this.prefix}-${module.name}${step === 0 ? "" : `-${step + 1}`}`;
      if (!this.wants(name)) return;
      const triggers = [module.prefixHash, String(step), this.machine.instance];
      this.run(name, module.name, moduleCommand(module, step, this.secrets, present), triggers, nothing);
      if (kind !== "reboot" || !this.wants(`${name}-return`)) return;
      this.after(new Return(`${name}-return`, { connection: this.connection, triggers }, this.options()));
    });
    // A builder of an older version has no such step, so it does not count as missing.
    if (this.isComplete && this.steps.isAwake && keepLayer) this.after(keepLayer(index, this.awaited));
  }

  /** Declares the tests on the builder, or on a machine booted from the image. Their output has one line per check. */
  tests(on: "builder" | "image", checks: pulumi.Input<Check[]>, trigger: string): command.remote.Command {
    const step = on === "builder" ? "tests" : "verify";
    const rendered = pulumi.output(checks).apply((known) => testsCommand(known, on, this.secrets));
    return this.run(this.nameOf(step), step, rendered, [trigger, this.machine.instance], undefined);
  }

  /** Declares the step that lists the builder's machine-id and installed packages. */
  inventory(trigger: string): pulumi.Output<Inventory> {
    const triggers = [trigger, this.machine.instance];
    const listed = this.run(this.nameOf("inventory"), "inventory", inventoryCommand(), triggers, undefined, "none");
    return listed.stdout.apply(parseInventory);
  }

  /** Declares the step that removes everything that must not be in an image, including the bake's own login. */
  seal(options: Omit<Parameters<typeof sealCommand>[0], "bakeKeys">, trigger: string): command.remote.Command {
    const rendered = this.machine.authorizedKey.apply((key) =>
      sealCommand({ ...options, bakeKeys: [key] }, this.secrets),
    );
    return this.run(this.nameOf("seal"), "seal", rendered, [trigger, this.machine.instance], undefined);
  }

  /** Makes the next step wait for `resource`. */
  after(resource: pulumi.Resource): void {
    this.last = resource;
    this.awaited = [resource];
  }

  /** The step that was declared last. */
  get end(): pulumi.Resource {
    return this.last;
  }

  /** Whether to declare a step. After the first one that is left out, all others are left out, too. */
  private wants(name: string): boolean {
    this.isComplete &&= this.steps.isWanted("provisioned", name);
    return this.isComplete;
  }

  /** The logical name of a step that belongs to no module. */
  private nameOf(step: StepName): string {
    return `${this.prefix}-${step}`;
  }

  private run(
    name: string,
    step: string,
    rendered: pulumi.Input<BuilderCommand>,
    triggers: pulumi.Input<string>[],
    update: string | undefined,
    logging: "none" | "stdoutAndStderr" = "stdoutAndStderr",
  ): command.remote.Command {
    // An output has its own property `isSecret`, so the program's can't be accessed directly.
    const program = pulumi.output(rendered);
    const made = new command.remote.Command(
      name,
      {
        connection: this.connection,
        create: program.apply(({ create }) => `${create} ${ifConnectionIsLost(step)}`),
        update,
        stdin: program.apply(({ stdin, isSecret }) => hideIf(isSecret, stdin)),
        triggers,
        logging,
        // This would need AcceptEnv in the machine's sshd, and cause warnings without it.
        addPreviousOutputInEnv: false,
      },
      this.options(),
    );
    this.after(made);
    return made;
  }

  private get connection() {
    return { ...this.machine.connection, ...dialling };
  }

  private options(): pulumi.CustomResourceOptions {
    const { isAwake, isSealed = false } = this.steps;
    const ignoreChanges = isSealed ? ignoredOnceSealed : isAwake ? [] : ["connection"];
    return { parent: this.parent, dependsOn: this.awaited, ignoreChanges };
  }
}

function hideIf(secret: boolean, text: string): pulumi.Output<string> {
  return secret ? pulumi.secret(text) : pulumi.output(text);
}
