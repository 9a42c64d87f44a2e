// A port of this computer that leads to a machine through its cloud's own tunnel; see provider/tunnels.ts.
import type { ResourceType } from "../resource.ts";
import { closeForward, openForward } from "../tunnels.ts";

export interface ForwardInputs {
  /** The tool that makes one connection, and its arguments. */
  command: string[];
}

export interface ForwardState extends ForwardInputs {
  host: string;
  port: number;
}

/** `ci-images:index:Forward`. Every `pulumi` command opens it again, before anything uses it: while it looks for changes. */
export const forward: ResourceType<ForwardInputs, ForwardState> = {
  token: "ci-images:index:Forward",
  inputs: {
    type: "object",
    properties: { command: { type: "array", items: { type: "string" }, minItems: 1 } },
    required: ["command"],
  },
  replaceOn: ["command"],

  /** Somebody else has the port now. */
  async drift(_id, { command, port }) {
    return (await openForward(command, port)) === port ? "none" : "update";
  },

  async create({ command }) {
    const port = await openForward(command);
    return { id: command.join(" "), outputs: { command, host: "127.0.0.1", port } };
  },

  async read(_id, state) {
    return { ...state, port: await openForward(state.command, state.port) };
  },

  async update(_id, state, { command }) {
    return { ...state, command, port: await openForward(command, state.port) };
  },

  async delete(_id, { command }) {
    await closeForward(command);
  },
};
