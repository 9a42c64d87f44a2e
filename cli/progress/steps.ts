// Follows a deployment through the engine's events: which steps run, what they print, how many are left.
import type { automation } from "@pulumi/pulumi";
import { stripVTControlCharacters } from "node:util";
import { workerImageType } from "../../components/life-cycle/worker-inputs.ts";
import { workerOfName } from "../exported-state.ts";

type EngineEvent = automation.EngineEvent;

/** A step: a resource that is created, updated or deleted. */
export interface Step {
  urn: string;
  /** The worker image it belongs to: `debian12`; empty if none. */
  worker: string;
  /** Its name for people: `nginx`, `image`, `dropping builder`. */
  title: string;
  /** When it began, in the clock's milliseconds. */
  began: number;
}

/** How a step ended: with success, with an error, or by Ctrl-C. */
export type Ending = "done" | "FAILED" | "stopped";

/** Displays the steps. */
export interface Reporter {
  begin(step: Step): void;
  /** A line that a step printed. */
  line(step: Step, line: string): void;
  end(step: Step, seconds: number, how: Ending): void;
  /** A line about the whole deployment: what will be baked and why, warnings, errors. */
  message(text: string, severity: "info" | "warning" | "error"): void;
  /** Called at the end, in any case. */
  close(): Promise<void>;
}

/** Types of steps that are not shown, because they are short and say nothing to people. */
const silent = /^(pulumi:|ci-images:index:(KeyPair|Login|WorkerImage)$)/;

/** Turns engine events into steps. */
export class Steps {
  private readonly running = new Map<string, Step>();
  /** URNs of the remaining steps. */
  private readonly planned = new Set<string>();
  private done = 0;
  /** The explanations that were already shown. */
  private readonly shown = new Set<string>();
  /** The messages about no particular image that were already shown. */
  private readonly notices = new Set<string>();
  /** The program's messages about worker images, in their order. */
  readonly explanations: { worker: string; text: string }[] = [];
  /** Whether there was an error message. */
  hasErrors = false;
  /** Whether the program refused its input: the settings, the recipe, or what the cloud says about them. */
  isRefused = false;
  /** The recipe hashes that the program announced, by worker image. */
  readonly recipes = new Map<string, string>();

  /**
   * @param reporter Shows the steps; none for a preview.
   * @param interrupted Aborted on Ctrl-C: steps that fail afterwards count as stopped.
   */
  constructor(
    private readonly reporter?: Reporter,
    private readonly interrupted?: AbortSignal,
  ) {}

  /** How many steps are done, and how many are left according to the preview. */
  get count(): { done: number; left: number } {
    return { done: this.done, left: this.planned.size + this.running.size };
  }

  /** Takes over the steps of a preview, and shows its explanations, so that they come before any step. */
  plan(preview: Steps): void {
    for (const urn of preview.planned) this.planned.add(urn);
    for (const { text } of preview.explanations) {
      this.shown.add(text);
      this.reporter?.message(text, "info");
    }
  }

  /** Handles one event of a preview. */
  onPreview(event: EngineEvent): void {
    const metadata = event.resourcePreEvent?.metadata;
    if (metadata) this.noteWorker(metadata);
    if (metadata && changes(metadata.op) && !silent.test(metadata.type)) this.planned.add(metadata.urn);
    this.onDiagnostic(event);
  }

  /** Handles one event of a deployment. */
  onEvent(event: EngineEvent): void {
    const { resourcePreEvent, resOutputsEvent, resOpFailedEvent } = event;
    if (resourcePreEvent) {
      const { urn, type, op } = resourcePreEvent.metadata;
      this.noteWorker(resourcePreEvent.metadata);
      if (changes(op) && !silent.test(type)) this.begin(urn, type, op);
    }
    if (resOutputsEvent) this.end(resOutputsEvent.metadata.urn, true);
    if (resOpFailedEvent) this.end(resOpFailedEvent.metadata.urn, false);
    this.onDiagnostic(event);
  }

  private begin(urn: string, type: string, op: string): void {
    const step = { urn, ...nameOf(urn, type), began: performance.now() };
    if (/delete|discard/.test(op)) step.title = `dropping ${step.title}`;
    this.planned.delete(urn);
    this.running.set(urn, step);
    this.reporter?.begin(step);
  }

  private end(urn: string, ok: boolean): void {
    const step = this.running.get(urn);
    if (!step) return;
    this.running.delete(urn);
    if (ok) this.done += 1;
    const how = ok ? "done" : this.interrupted?.aborted ? "stopped" : "FAILED";
    this.reporter?.end(step, (performance.now() - step.began) / 1000, how);
  }

  private noteWorker(metadata: automation.StepEventMetadata): void {
    if (metadata.type !== workerImageType) return;
    const recipe = (metadata.new?.inputs as { recipe?: string } | undefined)?.recipe;
    if (recipe !== undefined) this.recipes.set(metadata.urn.split("::").at(-1)!, recipe);
  }

  private onDiagnostic({ diagnosticEvent: event }: EngineEvent): void {
    if (!event) return;
    const text = plain(event.message).trimEnd();
    if (text.trim() === "") return;
    const { urn = "", severity } = event;
    const step = this.running.get(urn);
    const isOfProgram = urn === "" || urn.includes("pulumi:pulumi:Stack::");
    if (severity === "info" || severity === "info#err") {
      if (urn.includes(`${workerImageType}::`)) {
        this.explanations.push({ worker: urn.split("::").at(-1)!, text });
        // A deployment repeats the preview's explanations.
        if (!this.shown.has(text)) this.reporter?.message(text, "info");
      } else if (severity === "info" && isOfProgram) {
        if (!this.notices.has(text)) this.reporter?.message(text, "info");
        this.notices.add(text);
      } else if (step) {
        for (const line of text.split("\n")) this.reporter?.line(step, line);
      }
      return;
    }
    // The engine's debug log, whose severity is missing from the API's types, shows secrets in clear text.
    if (severity !== "warning" && severity !== "error") return;
    // Warnings about our substitutes for parts of Pulumi: `doctor` lists them.
    if (/^using pulumi-\S+ from \$PATH at \S+\/toolchain\/offline\//.test(text)) return;
    // These only sum up a failure that was already shown.
    if (/^(update failed|preview failed)$/.test(text)) return;
    // The engine and its plugins report Ctrl-C as an error.
    if (this.interrupted?.aborted && /cancell?ed/i.test(text)) return;
    this.hasErrors ||= severity === "error";
    // The program's own errors belong to no resource, and so do those about a program that crashed.
    this.isRefused ||= severity === "error" && isOfProgram && !isCrash.test(text);
    this.reporter?.message(text, severity === "warning" ? "warning" : "error");
  }
}

/** The engine's errors about a program that failed with a bug or was killed. */
const isCrash = /^(Running program .* failed with an unhandled exception|an unhandled error occurred)/;

/** Whether an operation of the engine changes a resource. */
function changes(op: string): boolean {
  return !["same", "read", "refresh", "read-discard", "remove-pending-replace", "discard-replaced"].includes(op);
}

/** A resource's name for people, from its logical name: `debian12-1a2b3c4d-nginx` is nginx for debian12. */
function nameOf(urn: string, type: string): { worker: string; title: string } {
  const parts = workerOfName(urn);
  if (!parts) return { worker: "", title: urn.split("::").at(-1)! };
  const { worker, recipe, rest } = parts;
  const kind = type
    .split(":")
    .at(-1)!
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return { worker, title: rest.replaceAll("-", " ") || `${kind} ${recipe}` };
}

/** Without the engine's colour marks and terminal escapes. */
function plain(text: string): string {
  return stripVTControlCharacters(text.replaceAll(/<\{%[^%]*%\}>/g, ""));
}
