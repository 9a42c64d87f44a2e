// A server's first answer: its SSH, with the host key that it was given.
import { quiet, Region } from "../region.ts";
import { consoleOf, describe, existingServer, findServer, isStoppedOpen, startServer, stateOf } from "../servers.ts";
import type { Context, ResourceType } from "../../../../provider/from-schema.ts";
import { waitForAnswer } from "../../../../provider/kit/saved-console.ts";
import type { Way } from "../../../../provider/kit/way-in.ts";
import { proxySchema, type Proxy } from "../../../../provider/kit/proxy.ts";

export interface BootInputs {
  region: string;
  /** The server's id. */
  server: string;
  host: string;
  port: number;
  user: string;
  /** The host key, a line `ssh-ed25519 AAAA...`. */
  hostKey: string;
  /** The key that logs in, OpenSSH format. */
  privateKey: string;
  /** Seconds until it must answer. */
  deadline: number;
  /** A server that is off isn't waited for. */
  power: "on" | "off";
  /** The bastion that connections go through. */
  proxy?: Proxy;
}

/**
 * `ci-images:rackspace:Boot`: waits until a server accepts logins, whenever it is started; saves its console if it
 * never does.
 */
export const boot: ResourceType<BootInputs, BootInputs & Way> = {
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
      privateKey: { type: "string" },
      deadline: { type: "integer", minimum: 1 },
      power: { enum: ["on", "off"] },
      proxy: proxySchema,
    },
    required: ["region", "server", "host", "port", "user", "hostKey", "privateKey", "deadline", "power"],
  },
  replaceOn: ["region", "server"],
  secretOutputs: ["privateKey", "proxy"],
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
};

async function arrive(inputs: BootInputs, context: Context): Promise<Way> {
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
        if (!seen) return { failed: "it is gone", cure: "run `pulumi up` again: it starts on a fresh machine" };
        if (seen.status === "ERROR") return { failed: `it is in ERROR: ${seen.fault?.message ?? "no reason given"}` };
        return { state: `${stateOf(seen)} and does not answer at ${host}:${port}` };
      },
      console: () => consoleOf(region, id),
    },
    context,
  );
}
