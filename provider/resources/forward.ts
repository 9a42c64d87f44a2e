// A local port that leads to a machine through its cloud's own tunnel; see provider/tunnels.ts.
import { Forward } from "../../components/shared/contract.ts";
import { implement } from "../resource.ts";
import { closeForward, openForward } from "../tunnels.ts";

/** Every `pulumi` command opens the port again when it checks for changes, before anything uses it. */
export const forward = implement(Forward, {
  /** Detects that another program has taken the port. */
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
});
