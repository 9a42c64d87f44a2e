// Drives a stack through Pulumi's Automation API. It runs the program in the project's folder, so plain `pulumi` sees
// the result and can continue.
import { automation } from "@pulumi/pulumi";
import { UserError } from "../common/user-error.ts";
import type { CloudFacts } from "../components/cloud-facts.ts";
import { clouds, findCloud } from "../components/clouds.ts";
import { toolchainEnvironment } from "../toolchain/environment.mjs";
import { prepareState, releaseSettings } from "../toolchain/setup/state.mjs";
import type { Output } from "./output.ts";
import { PlainReporter } from "./progress/plain.ts";
import { Steps } from "./progress/steps.ts";
import { pulumiCommand, PulumiFailure } from "./pulumi-command.ts";
import { othersThan } from "./worker-choice.ts";
import { placeSettings, SettingsFile } from "./settings-file.ts";
import { isSameStack } from "../toolchain/stack-name.mjs";
import { ExportedState } from "./exported-state.ts";

/** Selects a stack. */
export interface StackChoice {
  /** A stack's name. */
  stack?: string;
  /** The cloud. The stack has its name unless another is given, and is created if missing. */
  cloud?: string;
  region?: string;
  distribution?: readonly string[];
  /**
   * True for verbs that don't bake: region and distributions are not written into the settings of an existing stack.
   * Another region than the stack's is refused.
   */
  keepSettings?: boolean;
}

/** The result of a run of the program. */
export interface Outcome {
  steps: Steps;
  /** Seconds. */
  took: number;
}

/** One stack. */
export class CommandStack {
  readonly name: string;
  readonly settings: SettingsFile;

  private constructor(
    private readonly stack: automation.Stack,
    projectDirectory: string,
    readonly project: string,
    private readonly output: Output,
    private readonly interrupted: AbortSignal,
  ) {
    this.name = stack.name;
    this.settings = new SettingsFile(projectDirectory, stack.name, project);
  }

  /**
   * Opens the stack that `--stack` or `--cloud` names and selects it for later commands; without these, opens the
   * selected stack. Creates it if it is missing and the cloud is known.
   * @param interrupted Aborted on Ctrl-C.
   * @throws UserError when no stack is selected, ToolProblem when there is no Pulumi or the state is another user's.
   */
  static async open(
    projectDirectory: string,
    choice: StackChoice,
    output: Output,
    interrupted: AbortSignal,
    environment: NodeJS.ProcessEnv = process.env,
  ): Promise<CommandStack> {
    if (choice.cloud !== undefined) findCloud(choice.cloud, "--cloud");
    const { cli, env } = toolchainEnvironment(projectDirectory, environment);
    prepareState(projectDirectory, environment, (line) => output.note(line));
    const workspace = await automation.LocalWorkspace.create({
      workDir: projectDirectory,
      envVars: definedOnly(env),
      pulumiCommand: pulumiCommand(cli, interrupted),
    });
    const { name: project } = await workspace.projectSettings();
    const stacks = await workspace.listStacks();
    const name = choice.stack ?? choice.cloud ?? stacks.find(({ current }) => current)?.name;
    if (name === undefined) {
      throw new UserError({
        where: projectDirectory,
        found: "no stack is selected",
        allowed: stacks.map((each) => each.name).join(", ") || "none yet",
        cure: "name one: --cloud local, --stack NAME, or `npx pulumi stack select NAME`",
      });
    }
    const isThere = stacks.some((each) => isSameStack(each.name, name));
    const file = new SettingsFile(projectDirectory, name, project);
    if (!isThere && choice.cloud === undefined) {
      throw new UserError({
        where: "--stack",
        found: `there is no stack ${name}`,
        allowed: stacks.map((each) => each.name).join(", "),
        cure: "to create it, name its cloud too: --cloud ec2",
      });
    }
    if (!isThere) {
      releaseSettings(name, projectDirectory, environment, (line) => output.note(line));
      output.note(`creating the stack ${name}; its settings are in ${file.path}`);
      file.prepare(choice.cloud!);
    }
    if (isThere && !file.exists) {
      if (choice.cloud === undefined) {
        throw new UserError({
          where: file.path,
          found: `missing, but the stack ${name} exists`,
          cure:
            `restore it: \`git pull\`, or \`npx pulumi config refresh -s ${name}\`, which writes the settings of the ` +
            "last deployment. To start over with the default settings, name the stack's cloud: --cloud ec2",
        });
      }
      output.note(`${file.path} is missing: writing one with the default settings`);
      file.prepare(choice.cloud);
    }
    const cloud = file.text("cloud", clouds[0].name);
    if (choice.cloud !== undefined && choice.cloud !== cloud) {
      throw new UserError({
        where: file.path,
        key: `${project}:cloud`,
        found: `the stack ${name} is for ${cloud}, not for ${choice.cloud}`,
        cure: `use another stack: --cloud ${choice.cloud} --stack NAME`,
      });
    }
    const changes = placeSettings(cloud, choice);
    const stack = await (isThere ? automation.Stack.select(name, workspace) : automation.Stack.create(name, workspace));
    const opened = new CommandStack(stack, projectDirectory, project, output, interrupted);
    if (!isThere) file.set(changes);
    else if (choice.keepSettings) opened.refuseRegion(choice.region);
    else await opened.place(choice);
    return opened;
  }

  /**
   * Writes a region and distributions into the settings.
   * @throws UserError if images or builders of others are there, which the next `up` would delete.
   */
  async place(choice: Pick<StackChoice, "region" | "distribution">): Promise<void> {
    const { region, distribution } = choice;
    if (!this.differsIn(choice)) return;
    const state = await this.state();
    if (distribution && this.differsIn({ distribution })) this.refuseLossOfDistributions(distribution, state);
    if (region !== undefined && this.differsIn({ region })) this.refuseLossOfPlaces(region, state);
    this.settings.set(placeSettings(this.facts.name, choice));
  }

  private differsIn(choice: Pick<StackChoice, "region" | "distribution">): boolean {
    return this.settings.differs(placeSettings(this.facts.name, choice));
  }

  private refuseLossOfDistributions(names: readonly string[], state: ExportedState): void {
    const lost = othersThan(names, state);
    if (lost.length === 0) return;
    const drop = `to drop ${lost.join(", ")}, set ${this.project}:distributions in ${this.settings.path}`;
    throw new UserError({
      where: "--distribution",
      found: `${names.join(", ")}, but the stack ${this.name} also has ${lost.join(", ")}, which would be deleted`,
      cure: `name all: ${[...lost, ...names].join(",")}; or use another stack: --cloud ${this.facts.name} --stack NAME; ${drop}`,
    });
  }

  private refuseLossOfPlaces(region: string, state: ExportedState): void {
    const { name, placesWith } = this.facts;
    if (!placesWith) return;
    const own = (this.settings.get(name) ?? {}) as Record<string, unknown>;
    const there = state.images.filter(({ place }) => place.length === 3).map(({ place }) => place[1]);
    const lost = [...new Set(there)].filter((place) => !placesWith(region, own).includes(place));
    if (lost.length === 0) return;
    throw new UserError({
      where: "--region",
      found: `${region}, but the stack ${this.name} has images in ${lost.join(", ")}, which would be deleted`,
      cure: `use another stack: --cloud ${name} --stack NAME; to drop them, set the region in ${this.settings.path}`,
    });
  }

  private refuseRegion(region: string | undefined): void {
    if (region === undefined || !this.differsIn({ region })) return;
    throw new UserError({
      where: "--region",
      found: `${region}, which is not in the settings of the stack ${this.name}`,
      allowed: "the stack's own region: only a verb that bakes can set another",
      cure: "leave it out",
    });
  }

  /** The stack's cloud. */
  get facts(): CloudFacts {
    return findCloud(this.settings.text("cloud", clouds[0].name));
  }

  /** The state, with its secrets. */
  async state(): Promise<ExportedState> {
    return new ExportedState(await this.stack.exportStack());
  }

  /**
   * Runs `pulumi up` and shows its progress.
   * @param title Names the whole task in the progress output.
   * @param options.replace URNs of resources to replace.
   * @param options.preview False skips the preview that counts the steps.
   * @throws PulumiFailure when it failed; the reason was shown.
   */
  async up(title: string, options: { replace?: string[]; preview?: boolean } = {}): Promise<Outcome> {
    const planned = options.preview === false ? undefined : await this.preview();
    return await this.shown(title, planned, (onEvent) => this.stack.up({ onEvent, replace: options.replace }));
  }

  /**
   * Clears the pending operations that a killed command left in the state. Machines that it created are found by name
   * in the next `up`, or ended by their lease. Makes no cloud calls.
   */
  async forgetInterrupted(state: ExportedState): Promise<void> {
    if (state.interrupted.length === 0) return;
    const names = state.interrupted.map((urn) => urn.split("::").at(-1));
    const root = state.ofType("pulumi:pulumi:Stack").map(({ urn }) => urn);
    const title = `a killed command was still making ${names.join(", ")}: clearing its pending operations`;
    // Plain output shows no title.
    if (!this.isWatched) this.output.note(title);
    await this.shown(title, undefined, (onEvent) =>
      this.stack.refresh({ onEvent, clearPendingCreates: true, ...(root.length > 0 && { target: root }) }),
    );
  }

  /** Runs `pulumi refresh` for these resources only. */
  async refresh(title: string, urns: string[]): Promise<void> {
    await this.shown(title, undefined, (onEvent) => this.stack.refresh({ onEvent, target: urns }));
  }

  /** Runs `pulumi destroy` and shows its progress. */
  async destroy(title: string): Promise<Outcome> {
    return await this.shown(title, undefined, (onEvent) => this.stack.destroy({ onEvent }));
  }

  /**
   * Runs `pulumi preview`.
   * @throws PulumiFailure when the program refuses the settings or the recipe, and the reason was shown, or for any
   * other reason: no credentials, a missing plugin, Ctrl-C.
   */
  async preview(): Promise<Steps> {
    const steps = new Steps();
    const complaints = new Steps(new PlainReporter(this.output, () => steps));
    const onEvent = (event: automation.EngineEvent) => {
      steps.onPreview(event);
      // Explanations come again in the deployment. An error is shown now, because there will be no deployment.
      if (event.diagnosticEvent?.severity === "error") complaints.onEvent(event);
    };
    const look = () => this.stack.preview({ onEvent }).catch((error: unknown) => rethrow(error, complaints));
    if (this.isWatched)
      await (await import("./progress/terminal.ts")).whileWaiting("checking what needs to be done", look);
    else await look();
    return steps;
  }

  /** Removes the stack and its settings file. The stack must be empty. */
  async remove(): Promise<void> {
    await this.stack.workspace.removeStack(this.name);
  }

  private async shown(
    title: string,
    planned: Steps | undefined,
    run: (onEvent: (event: automation.EngineEvent) => void) => Promise<unknown>,
  ): Promise<Outcome> {
    const began = performance.now();
    const reporter = await this.reporter(title, () => steps);
    const steps: Steps = new Steps(reporter, this.interrupted);
    if (planned) steps.plan(planned);
    try {
      await run((event) => steps.onEvent(event)).catch((error: unknown) => rethrow(error, steps));
    } finally {
      await reporter.close();
    }
    return { steps, took: (performance.now() - began) / 1000 };
  }

  /** Whether the live display is used. */
  private get isWatched(): boolean {
    return this.output.isTerminal && !this.output.verbose;
  }

  private async reporter(title: string, steps: () => Steps) {
    if (!this.isWatched) return new PlainReporter(this.output, steps);
    const { TerminalReporter } = await import("./progress/terminal.ts");
    return new TerminalReporter(title, this.output, steps);
  }
}

/** Rethrows a failure, after recording in it whether its reason was shown, and whether the program refused. */
function rethrow(error: unknown, steps: Steps): never {
  if (error instanceof PulumiFailure)
    Object.assign(error, { wasReported: steps.hasErrors, isRefusal: steps.isRefused } satisfies Partial<PulumiFailure>);
  throw error;
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)) as Record<string, string>;
}
