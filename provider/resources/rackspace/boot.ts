// The first answer of a server: its SSH with the host key that it was born with.
import { quiet, Region } from "../../openstack/region.ts";
import {
  consoleOf,
  describe,
  existingServer,
  findServer,
  isStoppedOpen,
  startServer,
  stateOf,
} from "../../openstack/servers.ts";
import type { Context, ResourceType } from "../../resource.ts";
import { waitForAnswer } from "../../saved-console.ts";
import { proxySchema, type Proxy } from "../proxy.ts";

export interface BootInputs {
  region: string;
  /** The server's id. */
  server: string;
  host: string;
  port: number;
  user: string;
  /** The host key, a line `ssh-ed25519 AAAA...`. */
  hostKey: string;
  /** Seconds that it may take. */
  deadline: number;
  /** Nobody waits for a server that is off. */
  power: "on" | "off";
  /** The bastion that connections go through. */
  proxy?: Proxy;
}

/** `ci-images:rackspace:Boot`: waits until a server can be logged in to, whenever it is started; saves its console when it never can. */
export const boot: ResourceType<BootInputs, BootInputs> = {
  token: "ci-images:rackspace:Boot",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string" },
      server: { type: "string" },
      host: { type: "string", minLength: 1 },
      port: { type: "integer" },
      user: { type: "string" },
      hostKey: { type: "string" },
      deadline: { type: "integer", minimum: 1 },
      power: { enum: ["on", "off"] },
      proxy: proxySchema,
    },
    required: ["region", "server", "host", "port", "user", "hostKey", "deadline", "power"],
  },
  replaceOn: ["region", "server"],
  secretOutputs: ["proxy"],
  /** Somebody stopped it. */
  async drift(_id, { region, server: id, power }) {
    if (power === "off") return "none";
    const server = await findServer(new Region(region, quiet), id);
    return server && isStoppedOpen(server) ? "update" : "none";
  },
  async create(inputs, context) {
    await arrive(inputs, context);
    return { id: inputs.server, outputs: inputs };
  },
  async update(_id, _state, inputs, context) {
    if (inputs.power === "on") await arrive(inputs, context);
    return inputs;
  },
};

async function arrive(inputs: BootInputs, context: Context): Promise<void> {
  const { server: id, host, port, user, hostKey, proxy, deadline } = inputs;
  const region = new Region(inputs.region, context);
  const server = await existingServer(region, id);
  if (inputs.power === "on" && isStoppedOpen(server)) {
    await startServer(region, id);
    context.progress(`${describe(server)} had been stopped elsewhere: started it again`);
  }
  await waitForAnswer(
    {
      what: describe(server),
      name: server.name,
      connection: { host, port, user, hostKey, proxy },
      deadline,
      lookAt: region.command(`console log show ${id}`),
      state: async () => {
        const seen = await findServer(region, id);
        if (!seen) return { failed: "it is gone", cure: "run `pulumi up` again: it starts on a fresh machine" };
        if (seen.status === "ERROR") return { failed: `it is in ERROR: ${seen.fault?.message ?? "no reason given"}` };
        return { state: `${stateOf(seen)} and does not answer at ${host}:${port}` };
      },
      console: () => consoleOf(region, id),
    },
    context,
  );
}
