// What runs on the builder over SSH, as one remote Command a step: uploads, modules, reboots, acceptance tests, the list
// of packages, sealing. Each waits for the one before it, and each carries in its triggers what it depends on, so that a
// bake that failed goes on at the step that failed.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import {
  moduleCommand,
  packagesCommand,
  sealCommand,
  testsCommand,
  type RemoteCommand,
} from "../provision/commands.ts";
import type { Check, ModulePlan } from "../provision/plan.ts";
import type { Secrets } from "../provision/secrets.ts";
import type { Machine } from "./cloud.ts";
import { explainFailure } from "./failure.ts";
import { Reboot } from "./resources.ts";

/** Seconds that a reboot may take: cloud machines with large memory need minutes. */
const rebootDeadline = 600;

/** Declares steps on one machine, one after the other. */
export class Provisioning {
  private last: pulumi.Resource;

  /**
   * @param prefix Begins the logical names.
   * @param machine Where the steps run.
   * @param parent The component.
   * @param secrets Values that must not be seen in any output.
   */
  constructor(
    private readonly prefix: string,
    private readonly machine: Machine,
    private readonly parent: pulumi.Resource,
    private readonly secrets: Secrets,
  ) {
    this.last = machine.ready;
  }

  /** Everything that a module recorded. */
  module(module: ModulePlan): void {
    for (const upload of module.uploads) {
      const name = `${this.prefix}-${module.name}-${upload.digest.slice(0, 8)}`;
      const source = upload.isDirectory
        ? new pulumi.asset.FileArchive(upload.source)
        : new pulumi.asset.FileAsset(upload.source);
      const args = { connection: this.connection(), source, remotePath: upload.destination };
      const triggers = [module.prefixHash, upload.digest, this.machine.instance];
      this.last = new command.remote.CopyToRemote(name, { ...args, triggers }, this.options(module.name));
    }
    module.steps.forEach((step, index) => {
      const name = `${this.prefix}-${module.name}${index === 0 ? "" : `-${index + 1}`}`;
      const triggers = [module.prefixHash, String(index), this.machine.instance];
      if (step.kind === "reboot") {
        const { connection } = this.machine;
        this.last = new Reboot(name, { connection, triggers, deadline: rebootDeadline }, this.options(module.name));
      } else {
        this.run(name, module.name, moduleCommand(module, index, this.secrets), triggers);
      }
    });
  }

  /** The acceptance tests. Their output has one line a check. */
  tests(name: string, checks: readonly Check[], trigger: string): command.remote.Command {
    return this.run(`${this.prefix}-${name}`, name, testsCommand(checks), [trigger, this.machine.instance]);
  }

  /** The installed packages with their versions, one a line. */
  packages(trigger: string): pulumi.Output<string> {
    const triggers = [trigger, this.machine.instance];
    return this.run(`${this.prefix}-packages`, "packages", packagesCommand(), triggers, "none").stdout;
  }

  /** Removes what must not be in an image, and with it the way in. */
  seal(options: Parameters<typeof sealCommand>[0], trigger: string): command.remote.Command {
    return this.run(`${this.prefix}-seal`, "seal", sealCommand(options), [trigger, this.machine.instance]);
  }

  /** The next step waits for `resource`, too. */
  after(resource: pulumi.Resource): void {
    this.last = resource;
  }

  /** The step that was declared last. */
  get end(): pulumi.Resource {
    return this.last;
  }

  private run(
    name: string,
    step: string,
    { create, stdin }: RemoteCommand,
    triggers: pulumi.Input<string>[],
    logging: "none" | "stdoutAndStderr" = "stdoutAndStderr",
  ): command.remote.Command {
    const made = new command.remote.Command(
      name,
      {
        connection: this.connection(),
        create,
        stdin,
        triggers,
        logging,
        // Would need AcceptEnv in the machine's sshd and warns where that is missing.
        addPreviousOutputInEnv: false,
      },
      this.options(step),
    );
    this.last = made;
    return made;
  }

  private connection() {
    // sshd may need a moment after boot; a machine that never answers is told after 20 tries.
    return { ...this.machine.connection, dialErrorLimit: 20, perDialTimeout: 15 };
  }

  private options(step: string): pulumi.CustomResourceOptions {
    return { parent: this.parent, dependsOn: [this.last], hooks: { onError: [explainFailure(step)] } };
  }
}

