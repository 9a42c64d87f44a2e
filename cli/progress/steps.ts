// Follows a deployment by the engine's events: which steps there are, which run, their last output line, what is left.
import type { automation } from "@pulumi/pulumi";
import { stripVTControlCharacters } from "node:util";
import { workerOfName } from "../stack-state.ts";

type EngineEvent = automation.EngineEvent;

/** One step: a resource that is made, changed or removed. */
export interface Step {
  urn: string;
  /** The worker image it belongs to: `debian12`; empty for what belongs to none. */
  worker: string;
  /** For people: `nginx`, `image`, `dropping builder`. */
  title: string;
  /** The clock's milliseconds when it began. */
  began: number;
}

/** How a step ended: by itself, well or not, or because the user pressed Ctrl-C. */
export type Ending = "done" | "FAILED" | "stopped";

/** Who shows it. */
export interface Reporter {
  begin(step: Step): void;
  /** A line that a step printed. */
  line(step: Step, line: string): void;
  end(step: Step, seconds: number, how: Ending): void;
  /** A line about the whole: what will be baked and why, warnings, errors. */
  message(text: string, severity: "info" | "warning" | "error"): void;
  /** Called in the end, however it went. */
  close(): Promise<void>;
}

/** Steps that are over in no time and tell nobody anything. */
const silent = /^(pulumi:|ci-images:index:(KeyPair|Login|WorkerImage)$)/;

/** Turns engine events into steps. */
export class Steps {
  private readonly running = new Map<string, Step>();
  /** What is still to come, by URN. */
  private readonly planned = new Set<string>();
  private done = 0;
  /** Explanations that the user has read already. */
  private readonly told = new Set<string>();
  /** What the program said of no image in particular. */
  private readonly notices = new Set<string>();
  /** What the program said of the worker images, in order. */
  readonly explanations: { worker: string; text: string }[] = [];
  /** Whether an error was among the messages. */
  hasErrors = false;
  /** Recipe hashes by worker image, as the program has them now. */
  readonly recipes = new Map<string, string>();

  /**
   * @param reporter Without one nothing is shown, as for a preview.
   * @param interrupted Aborted when the user pressed Ctrl-C: what ends badly from then on was stopped.
   */
  constructor(
    private readonly reporter?: Reporter,
    private readonly interrupted?: AbortSignal,
  ) {}

  /** How many steps are done, and how many are left as far as a preview knew. */
  get count(): { done: number; left: number } {
    return { done: this.done, left: this.planned.size + this.running.size };
  }

  /** Takes over what a preview found to be done. Its explanations are shown before anything is done, and not again. */
  plan(preview: Steps): void {
    for (const urn of preview.planned) this.planned.add(urn);
    for (const { text } of preview.explanations) {
      this.told.add(text);
      this.reporter?.message(text, "info");
    }
  }

  /** One event of a preview. */
  onPreview(event: EngineEvent): void {
    const metadata = event.resourcePreEvent?.metadata;
    if (metadata) this.noteWorker(metadata);
    if (metadata && changes(metadata.op) && !silent.test(metadata.type)) this.planned.add(metadata.urn);
    this.onDiagnostic(event);
  }

  /** One event of a deployment. */
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
    if (metadata.type !== "ci-images:index:WorkerImage") return;
    const recipe = (metadata.new?.inputs as { recipe?: string } | undefined)?.recipe;
    if (recipe !== undefined) this.recipes.set(metadata.urn.split("::").at(-1)!, recipe);
  }

  private onDiagnostic({ diagnosticEvent: event }: EngineEvent): void {
    if (!event) return;
    const text = plain(event.message).trimEnd();
    if (text.trim() === "") return;
    const { urn = "", severity } = event;
    const step = this.running.get(urn);
    if (severity === "info" || severity === "info#err") {
      if (urn.includes("ci-images:index:WorkerImage::")) {
        this.explanations.push({ worker: urn.split("::").at(-1)!, text });
        // Previews and deployments say the same.
        if (!this.told.has(text)) this.reporter?.message(text, "info");
      } else if (severity === "info" && (urn === "" || urn.includes("pulumi:pulumi:Stack::"))) {
        // The program's own notices, about no image.
        if (!this.notices.has(text)) this.reporter?.message(text, "info");
        this.notices.add(text);
      } else if (step) {
        for (const line of text.split("\n")) this.reporter?.line(step, line);
      }
      return;
    }
    // The engine's own log ("debug", which the API's types do not know) comes too: it is no message, and has secrets in clear.
    if (severity !== "warning" && severity !== "error") return;
    // Of our own stand-ins for parts of Pulumi; `doctor` names them.
    if (/^using pulumi-\S+ from \$PATH at \S+\/toolchain\/offline\//.test(text)) return;
    // What the engine adds to a failure that was told already.
    if (/^(update failed|preview failed)$/.test(text)) return;
    // The engine and its plugins complain of what the user wanted.
    if (this.interrupted?.aborted && /cancell?ed/i.test(text)) return;
    this.hasErrors ||= severity === "error";
    this.reporter?.message(text, severity === "warning" ? "warning" : "error");
  }
}

function changes(op: string): boolean {
  return !["same", "read", "refresh", "read-discard", "remove-pending-replace", "discard-replaced"].includes(op);
}

/** What a resource is to people, by its logical name: `debian12-1a2b3c4d-nginx` is nginx for debian12. */
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

/** Without the engine's marks for colours, and without a terminal's own. */
function plain(text: string): string {
  return stripVTControlCharacters(text.replaceAll(/<\{%[^%]*%\}>/g, ""));
}
