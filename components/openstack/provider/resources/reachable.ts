// Waits until a server answers by SSH with the host key that it was given.
import { quiet, Region } from "../region.ts";
import { consoleOf, describe, existingServer, findServer, isStoppedOpen, startServer, stateOf } from "../servers.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Reachable } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { waitForAnswer } from "../../../../provider/kit/saved-console.ts";
import type { Way } from "../../../../provider/kit/way-in.ts";

export const reachable = implement(Reachable, {
  /** Detects that somebody stopped it. */
  async drift(_id, { region, server: id, power }) {
    if (power === "off") return "none";
    const server = await findServer(new Region(region, quiet), id);
    return server && isStoppedOpen(server) ? "update" : "none";
  },
  async create(inputs, context) {
    return { id: inputs.server, outputs: { ...inputs, ...(await arrive(inputs, context)) } };
  },
  async update(_id, { sshPort, sshUser }, inputs, context) {
    const way = inputs.power === "on" ? await arrive(inputs, context) : { sshPort, sshUser };
    return { ...inputs, ...way };
  },
});

async function arrive(inputs: InputsOf<typeof Reachable>, context: Context): Promise<Way> {
  const { server: id, host, port, user, hostKey, privateKey, proxy, deadline } = inputs;
  const region = new Region(inputs.region, context);
  const server = await existingServer(region, id);
  if (inputs.power === "on" && isStoppedOpen(server)) {
    await startServer(region, id);
    context.progress(`${describe(server)} had been stopped elsewhere: started it again`);
  }
  return await waitForAnswer(
    {
      what: describe(server),
      name: server.name,
      connection: { host, port, user, hostKey, proxy },
      privateKey,
      deadline,
      lookAt: region.command(`console log show ${id}`),
      state: async () => {
        const seen = await findServer(region, id);
        if (!seen) return { failed: "it is gone", cure: "run `pulumi up` again: it starts with a fresh machine" };
        if (seen.status === "ERROR") return { failed: `it is in ERROR: ${seen.fault?.message ?? "no reason given"}` };
        return { state: `${stateOf(seen)} and does not answer at ${host}:${port}` };
      },
      console: () => consoleOf(region, id),
    },
    context,
  );
}
