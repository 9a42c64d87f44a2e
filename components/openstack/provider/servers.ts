// Finds, stops, deletes and marks servers in Nova.
// https://docs.openstack.org/api-ref/compute/
import { UserError } from "../../../common/user-error.ts";
import { labelKey, type Labels } from "../../../common/labels.ts";
import { openstackLabels } from "../facts/labels.ts";
import { waitFor } from "../../../provider/kit/wait.ts";
import type { Region } from "./region.ts";
import { dropVolume } from "./volumes.ts";

/** The fields of a server that we read. */
export interface Server {
  id: string;
  name: string;
  /** ACTIVE, SHUTOFF, BUILD, ERROR, ... https://docs.openstack.org/nova/latest/reference/vm-states.html */
  status: string;
  metadata: Record<string, string>;
  created: string;
  addresses: Record<string, { addr: string }[]>;
  "OS-EXT-STS:task_state"?: string | null;
  "os-extended-volumes:volumes_attached"?: { id: string; delete_on_termination?: boolean }[];
  fault?: { message: string };
  key_name?: string | null;
  security_groups?: { name: string }[];
}

/**
 * The microversion that we request from Nova: the first whose createImage returns the image's id (Pike, 2017). Clouds
 * without microversions ignore it.
 */
export const microversion = "2.45";

/** Seconds for a clean shutdown: Nova forces it after 60 s (`shutdown_timeout`) unless the image sets more. */
const switchDeadline = 600;
const endDeadline = 600;

/** The server with that id; undefined if it no longer exists. */
export async function findServer(region: Region, id: string): Promise<Server | undefined> {
  const found = await region.find<{ server: Server }>("compute", `/servers/${encodeURIComponent(id)}`, microversion);
  // Clouds that can restore deleted servers still list them for a while.
  return found && !["DELETED", "SOFT_DELETED"].includes(found.server.status) ? found.server : undefined;
}

/** All servers of the project, or those with a name. */
export async function listServers(region: Region, name?: string): Promise<Server[]> {
  const servers: Server[] = [];
  // Nova treats the name as a regular expression.
  const filter = name === undefined ? "" : `&name=${encodeURIComponent(`^${name.replaceAll(".", "\\.")}$`)}`;
  for (let marker = ""; ;) {
    const path = `/servers/detail?limit=500${filter}${marker && `&marker=${marker}`}`;
    const page = await region.send<{ servers: Server[]; servers_links?: { rel: string }[] }>({
      service: "compute",
      method: "GET",
      path,
      microversion,
    });
    servers.push(...page.servers);
    if (!page.servers_links?.some(({ rel }) => rel === "next")) break;
    marker = page.servers.at(-1)!.id;
  }
  return servers.filter(({ status }) => !["DELETED", "SOFT_DELETED"].includes(status));
}

/** The servers whose metadata has all these labels. */
export async function serversWith(region: Region, labels: Partial<Labels>): Promise<Server[]> {
  const wanted = Object.entries(labels).map(([label, value]) => [labelKey(openstackLabels, label), value]);
  return (await listServers(region)).filter(({ metadata }) => wanted.every(([key, value]) => metadata[key] === value));
}

/** A server's sealing: undefined before it starts, `begun` (no login works any more), `done` (sealed and stopped). */
export type Sealing = "begun" | "done" | undefined;
const sealingKey = labelKey(openstackLabels, "sealing");

export function sealingOf({ metadata }: Server): Sealing {
  const mark = metadata[sealingKey];
  return mark === "begun" || mark === "done" ? mark : undefined;
}

/**
 * Records the sealing progress on the server. The official provider ignores metadata that it did not set, so the mark
 * lasts as long as the server.
 */
export async function markSealing(region: Region, id: string, sealing: "begun" | "done"): Promise<void> {
  const path = `/servers/${id}/metadata`;
  await region.send({ service: "compute", method: "POST", path, body: { metadata: { [sealingKey]: sealing } } });
}

/** The server. @throws UserError with a cure if it no longer exists. */
export async function existingServer(region: Region, id: string): Promise<Server> {
  const server = await findServer(region, id);
  if (server) return server;
  throw new UserError({
    where: `server ${id} in ${region.name}`,
    found: "is gone",
    cure: "run `pulumi up` again: it starts with a fresh builder",
  });
}

/** Shuts the server down through the API and waits until it is off. */
export async function stopServer(region: Region, id: string): Promise<void> {
  await switchServer(region, id, "os-stop", "SHUTOFF");
}

/** Starts the server through the API and waits until it runs. */
export async function startServer(region: Region, id: string): Promise<void> {
  await switchServer(region, id, "os-start", "ACTIVE");
}

async function switchServer(region: Region, id: string, action: "os-stop" | "os-start", wanted: string): Promise<void> {
  const server = await existingServer(region, id);
  // Nova refuses to start or stop a broken server, even one that has just broken. The wait below reports why it broke.
  if (server.status !== wanted && server.status !== "ERROR") {
    await act(region, id, { [action]: null }).catch(async (error: unknown) => {
      if ((await findServer(region, id))?.status !== "ERROR") throw error;
    });
  }
  await waitFor(
    {
      what: describe(server),
      until: `to be ${wanted}`,
      deadline: switchDeadline,
      lookAt: region.command(`server show ${id}`),
      look: async () => {
        const seen = await findServer(region, id);
        if (!seen) return { failed: "it is gone", cure: "run `pulumi up` again: it starts with a fresh builder" };
        if (seen.status === "ERROR") return { failed: `it is in ERROR: ${seen.fault?.message ?? "no reason given"}` };
        const task = seen["OS-EXT-STS:task_state"];
        return seen.status === wanted && !task ? { done: undefined } : { state: stateOf(seen) };
      },
    },
    region.context,
  );
}

/** Whether a server was stopped unsealed. */
export function isStoppedOpen(server: Server): boolean {
  return server.status === "SHUTOFF" && sealingOf(server) === undefined;
}

/** Deletes the server and the volumes that only it used. No-op if it no longer exists. */
export async function endServer(region: Region, id: string): Promise<void> {
  const server = await findServer(region, id);
  if (!server) return;
  await region.remove("compute", `/servers/${id}`);
  await waitFor(
    {
      what: describe(server),
      until: "to be gone",
      deadline: endDeadline,
      lookAt: region.command(`server show ${id}`),
      look: async () => {
        const seen = await findServer(region, id);
        return seen ? { state: stateOf(seen) } : { done: undefined };
      },
    },
    region.context,
  );
  for (const volume of server["os-extended-volumes:volumes_attached"] ?? []) {
    if (volume.delete_on_termination !== false) await dropVolume(region, volume.id);
  }
}

/** The last lines of the server's serial console. */
export async function consoleOf(region: Region, id: string): Promise<string> {
  const body = { "os-getConsoleOutput": {} };
  const path = `/servers/${id}/action`;
  const answer = await region.send<{ output: string }>({ service: "compute", method: "POST", path, body });
  return answer.output;
}

export async function act(region: Region, id: string, body: Record<string, unknown>) {
  const path = `/servers/${id}/action`;
  return region.exchange({ service: "compute", method: "POST", path, body, microversion });
}

/** Name and id, for messages. */
export function describe({ name, id }: Pick<Server, "name" | "id">): string {
  return `server ${name} (${id})`;
}

/** Status and current task in Nova, for messages. */
export function stateOf(server: Server): string {
  const task = server["OS-EXT-STS:task_state"];
  return task ? `${server.status} (${task})` : server.status;
}
