// A small OpenStack in this process: Keystone v3, Nova, Glance, Neutron and Cinder on one loopback port, with separate
// state in memory for each region.
//
//   const cloud = await startOpenStack({ regions: ["RegionOne", "RegionTwo"], hypervisor, pace: 5 });
//   cloud.environment          OS_* variables (password) for its users
//   cloud.region("RegionOne")  its servers, images, key pairs, networks, volumes, which tests can inspect and change directly
//   cloud.faults               refused requests, latency, failing snapshots, ... (openstack/faults.ts)
//   cloud.calls                every request so far: `POST /RegionOne/compute/v2.1/servers/ID/action createImage`
//   await cloud.close()
//
// The `hypervisor` (openstack/state.ts) provides machines and disks: none by default, containers in the test cloud.
// Endpoints: URL/identity/v3, URL/REGION/compute/v2.1, URL/REGION/image (v2), URL/REGION/network (v2.0),
// URL/REGION/volume/v3. It behaves like the real services where that matters to us: see openstack/snapshot.ts and
// compute.ts.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { computeRoutes } from "./openstack/compute.ts";
import { Faults } from "./openstack/faults.ts";
import { dispatch, errorBody, Refused, type Answer, type Route } from "./openstack/http.ts";
import { Identity, type Account } from "./openstack/identity.ts";
import { imageRoutes } from "./openstack/image.ts";
import { networkRoutes, volumeRoutes } from "./openstack/network.ts";
import { noHypervisor, Region, type Hypervisor } from "./openstack/state.ts";

export type { Hypervisor, Image, Region, Server } from "./openstack/state.ts";

export interface OpenStackOptions {
  /** `RegionOne` by default. */
  regions?: string[];
  hypervisor?: Hypervisor;
  /** Milliseconds for each step of a boot, a shutdown or a snapshot; 2 by default. */
  pace?: number;
}

const services: Record<string, { routes: Route[]; version: string }> = {
  compute: { routes: computeRoutes, version: "/v2.1" },
  image: { routes: imageRoutes, version: "/v2" },
  network: { routes: networkRoutes, version: "/v2.0" },
  volume: { routes: volumeRoutes, version: "/v3" },
};

/** Starts a cloud on a free port. */
export async function startOpenStack(options: OpenStackOptions = {}): Promise<OpenStackApi> {
  const api = new OpenStackApi(options);
  await api.listen();
  return api;
}

/** The running cloud; see the top of this file. */
export class OpenStackApi {
  readonly faults = new Faults();
  readonly calls: string[] = [];
  /** Methods of requests that reused a connection. */
  readonly reused: string[] = [];
  private readonly sockets = new WeakSet();
  /** If false, Nova ignores microversions, like Rackspace's first generation. */
  hasMicroversions = true;
  readonly account: Account = {
    user: "baker",
    password: "pass word's",
    project: "bakery",
    domain: "Default",
    applicationCredential: { id: "credential-id", name: "ci", secret: "credential secret" },
  };
  readonly identity = new Identity(this.account);
  private readonly regions: Map<string, Region>;
  private readonly server: Server;

  constructor({ regions = ["RegionOne"], hypervisor = noHypervisor, pace = 2 }: OpenStackOptions) {
    this.regions = new Map(regions.map((name) => [name, new Region(name, hypervisor, pace, this.faults)]));
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get environment(): Record<string, string> {
    const { user, password, project, domain } = this.account;
    return {
      OS_AUTH_URL: `${this.url}/identity/v3`,
      OS_USERNAME: user,
      OS_PASSWORD: password,
      OS_PROJECT_NAME: project,
      OS_USER_DOMAIN_NAME: domain,
      OS_PROJECT_DOMAIN_NAME: domain,
      OS_REGION_NAME: [...this.regions.keys()][0],
    };
  }

  /** One region's state; the first region by default. */
  region(name = [...this.regions.keys()][0]): Region {
    const region = this.regions.get(name);
    if (!region) throw new Error(`there is no region ${name}`);
    return region;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const [first, second] = url.pathname.split("/").slice(1);
    const service = first === "identity" ? first : second;
    if (this.sockets.has(request.socket)) this.reused.push(request.method!);
    this.sockets.add(request.socket);
    response.setHeader("x-openstack-request-id", `req-${randomUUID()}`);
    try {
      if (request.headers["content-type"] === "application/octet-stream" && this.faults.cutUploads > 0) {
        this.faults.cutUploads -= 1;
        request.once("data", () => request.socket.destroy());
        return;
      }
      const body = await readBody(request);
      const answer = await this.answer(request, url, service, body);
      for (const [key, value] of Object.entries(answer.headers ?? {})) response.setHeader(key, value);
      send(response, answer.status, answer.body === undefined ? "" : JSON.stringify(answer.body), "application/json");
    } catch (error) {
      if (error instanceof Refused && error.status === 0) return void request.socket.destroy();
      const { status, headers, message } = error instanceof Refused ? error : new Refused(500, String(error));
      for (const [key, value] of Object.entries(headers)) response.setHeader(key, value);
      const type = service === "image" ? "text/html" : "application/json";
      send(response, status, errorBody(service, status, message), type);
    }
  }

  private async answer(request: IncomingMessage, url: URL, service: string, body: unknown): Promise<Answer> {
    const method = request.method!;
    const action = url.pathname.endsWith("/action") ? ` ${Object.keys(body as object)[0]}` : "";
    const call = `${method} ${url.pathname}${action}`;
    this.calls.push(call);
    const refusal = await this.faults.meet(call);
    if (refusal) throw new Refused(refusal.status, refusal.message ?? "refused on demand", refusal.headers);
    if (service === "identity") {
      if (method !== "POST" || !url.pathname.endsWith("/v3/auth/tokens")) throw new Refused(404, "Not found");
      return this.identity.authenticate(body, this.url, [...this.regions.keys()]);
    }
    if (!this.identity.isValid(request.headers["x-auth-token"])) throw new Refused(401, "Unauthorized");
    const [, name, , ...rest] = url.pathname.split("/");
    const { routes, version } = services[service] ?? {};
    const path = `/${rest.join("/")}`;
    if (!routes || !path.startsWith(`${version}/`)) throw new Refused(404, `Not found: ${url.pathname}`);
    const headers = { ...request.headers };
    if (!this.hasMicroversions) delete headers["openstack-api-version"];
    const project = this.account.project;
    const region = this.region(name);
    return dispatch(routes, {
      method,
      region,
      path: path.slice(version.length),
      query: url.searchParams,
      headers,
      body,
      project,
    });
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const content = Buffer.concat(chunks);
  if (request.headers["content-type"] === "application/octet-stream") return content;
  const text = content.toString();
  return text === "" ? undefined : JSON.parse(text);
}

function send(response: ServerResponse, status: number, body: string, type: string): void {
  response.statusCode = status;
  if (body !== "") response.setHeader("content-type", type);
  response.end(body);
}
