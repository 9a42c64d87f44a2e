// Creates, updates and deletes resources, with plain values; main.mjs implements the protocol.
import { randomBytes } from "node:crypto";
import { runCommand } from "./command.mjs";
import { revealAll, unknownValue } from "./values.mjs";

/** @typedef {import("./values.mjs").Properties} Properties */
/** @typedef {import("./command.mjs").CommandState} CommandState */

/**
 * The circumstances of one call.
 * @typedef {object} Circumstances
 * @property {string} name The resource's name in the program.
 * @property {boolean} preview
 * @property {AbortSignal} signal
 * @property {import("./command.mjs").Log} log
 */

/**
 * @typedef {object} Resource
 * @property {(inputs: Properties, circumstances: Circumstances) => Promise<{ id: string, outputs: Properties }>} create
 * @property {(state: Properties, inputs: Properties, circumstances: Circumstances) => Promise<Properties>} update
 * @property {(state: Properties, circumstances: Circumstances) => Promise<void>} delete
 */

/**
 * The outputs are the inputs, with secrets still marked, and the command's output.
 * @type {Resource}
 */
const command = {
  async create(inputs, { name, preview, signal, log }) {
    const state = commandState(inputs);
    const id = preview ? "" : name + randomBytes(4).toString("hex");
    if (preview) return { id, outputs: { ...inputs, stdout: unknownValue, stderr: unknownValue } };
    if (state.create === undefined) return { id, outputs: { ...inputs, stdout: "", stderr: "" } };
    return { id, outputs: { ...inputs, ...(await runCommand(state, state.create, signal, log)) } };
  },

  async update(old, inputs, { preview, signal, log }) {
    if (preview) return { ...inputs, stdout: unknownValue, stderr: unknownValue };
    const { stdout = "", stderr = "" } = old;
    const state = commandState({ ...inputs, stdout, stderr });
    const toRun = state.update ?? state.create;
    if (toRun === undefined) return { ...inputs, stdout, stderr };
    return { ...inputs, ...(await runCommand(state, toRun, signal, log)) };
  },

  async delete(old, { signal, log }) {
    const state = commandState(old);
    if (state.delete !== undefined) await runCommand(state, state.delete, signal, log);
  },
};

/**
 * @param {Properties} properties
 * @returns {CommandState}
 */
function commandState(properties) {
  return /** @type {CommandState} */ (revealAll(properties));
}

/** @type {Record<string, Resource>} */
export const implementations = { "command:remote:Command": command };
