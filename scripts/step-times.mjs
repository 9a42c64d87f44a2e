// Measures the steps of a deployment from the engine's event log, while the CLI shows its progress on the terminal.
import { open } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseJson } from "../toolchain/json.mjs";

/**
 * @typedef {object} Step
 * @property {string} name The resource's logical name.
 * @property {string} type
 * @property {string} operation `create`, `update`, `delete`, `create-replacement`, ...
 * @property {number} began When it began, in seconds on the clock of `performance.now()`.
 * @property {number} seconds How long it took.
 */

/**
 * The fields of an engine event that we read; see sdk/go/common/apitype/events.go of pulumi/pulumi.
 * @typedef {{ metadata: { urn: string, op: string, type: string } }} StepEvent
 * @typedef {{ resourcePreEvent?: StepEvent, resOutputsEvent?: StepEvent, resOpFailedEvent?: StepEvent }} EngineEvent
 */

/** Enables the CLI's hidden flag `--event-log`. The Automation API sets this variable, too. */
export const eventLogEnvironment = { PULUMI_DEBUG_COMMANDS: "true" };

/**
 * Follows the event log of a running CLI (`--event-log FILE`).
 * @param {string} file The log. It may not exist yet.
 * @param {Promise<unknown>} done Resolves or rejects when the CLI has ended.
 * @returns {Promise<Step[]>} the steps that changed something, in the order in which they ended.
 */
export async function followSteps(file, done) {
  let ended = false;
  const end = () => (ended = true);
  done.then(end, end);
  /** @type {Map<string, number>} */
  const begun = new Map();
  /** @type {Step[]} */
  const steps = [];
  let position = 0;
  let rest = "";
  for (;;) {
    // Checked before reading, so that the last read comes after the end.
    const last = ended;
    const added = await readFrom(file, position);
    position += added.length;
    const lines = (rest + added.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) note(/** @type {EngineEvent} */ (parseJson(line)), begun, steps);
    if (last) return steps;
    await sleep(50);
  }
}

/**
 * @param {EngineEvent} event
 * @param {Map<string, number>} begun When each resource's step began, by its URN.
 * @param {Step[]} steps
 */
function note(event, begun, steps) {
  const metadata = (event.resourcePreEvent ?? event.resOutputsEvent ?? event.resOpFailedEvent)?.metadata;
  if (metadata === undefined || metadata.op === "same") return;
  const { urn, op, type } = metadata;
  if (event.resourcePreEvent) {
    begun.set(urn, performance.now());
    return;
  }
  const start = begun.get(urn);
  if (start === undefined) return;
  begun.delete(urn);
  const [began, seconds] = [start / 1000, (performance.now() - start) / 1000];
  steps.push({ name: urn.split("::").at(-1) ?? urn, type, operation: op, began, seconds });
}

/**
 * Reads a file from a position to its end.
 * @param {string} file
 * @param {number} position In bytes.
 * @returns {Promise<Buffer>} the content; empty if the file doesn't exist yet.
 */
async function readFrom(file, position) {
  const handle = await open(file).catch((/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (handle === undefined) return Buffer.alloc(0);
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.max(0, size - position));
    await handle.read(buffer, 0, buffer.length, position);
    return buffer;
  } finally {
    await handle.close();
  }
}
