// A small Google Compute Engine in this process: the REST API v1 on a free port of the loopback address, the state in
// memory. It knows what bakes need: zones, machine types, networks, firewalls, instances, disks, images, operations.
//
//   const cloud = await startGce({ hypervisor, pace: 5 });
//   cloud.environment          the variables for whoever is to use it (no credentials are asked for)
//   cloud.project("bakery")    its instances, disks (by `zone/name`), images, firewalls (by name): look at them, change
//                              them behind everybody's back
//   cloud.addBase("debian-cloud", "debian-12-bookworm-v20261110", { family: "debian-12" })
//   cloud.faults               refusals of requests, operations that fail, latency (gce/faults.ts)
//   cloud.calls                every request so far: `POST projects/bakery/zones/here-a/instances`
//   await cloud.close()
//
// Changes answer with an operation that ends after `pace` milliseconds and what the `hypervisor` (gce/state.ts) takes:
// nothing by default, containers in the test cloud. A machine's metadata are in `instance.metadata.items`: `ssh-keys`,
// `user-data` and `startup-script`; the last two hold the private host key that it is to be born with.
// Names can be given again, numbers (`id`) never; labels are changed against a fingerprint; an image of a disk that a running
// instance has is refused; a disk in use can't be deleted; deleting what is not there is a 404.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { Faults } from "./gce/faults.ts";
import { errorBody, matches, notFound, page, Refused, type Call, type Route } from "./gce/http.ts";
import { imageRoutes } from "./gce/images.ts";
import { machineRoutes } from "./gce/machines.ts";
import { ComputeModel } from "./gce/model.ts";
import { quotaRoutes } from "./gce/quotas.ts";
import { broken } from "./gce/rules.ts";
import {
  newFingerprint,
  newId,
  noHypervisor,
  Project,
  type Disk,
  type Hypervisor,
  type Image,
  type Instance,
} from "./gce/state.ts";

export type { Disk, Hypervisor, Image, Instance, Project } from "./gce/state.ts";

export interface GceOptions {
  hypervisor?: Hypervisor;
  /** Gets an object of Cloud Storage, for images of raw disks. */
  storage?: (source: string) => Promise<Buffer | undefined>;
  /** Milliseconds that an operation takes at least; 2 unless told. */
  pace?: number;
  /** Where machines can be. */
  zones?: string[];
}

/** Starts one on a free port. */
export async function startGce(options: GceOptions = {}): Promise<GceApi> {
  const api = new GceApi(options);
  await api.listen();
  return api;
}

/** How things name each other, whatever endpoint they are asked at; the official provider knows links by it. */
export const links = "https://www.googleapis.com/compute/v1/";

interface Operation {
  name: string;
  operationType: string;
  status: "RUNNING" | "DONE";
  error?: { errors: { code: string; message: string }[] };
  httpErrorStatusCode?: number;
  zone?: string;
  targetLink: string;
}

/** What operations are called that change a thing as a whole; those of a method have its name. */
const verbs: Record<string, string> = { PATCH: "patch", DELETE: "delete" };

/** The running cloud; see the top of this file. */
export class GceApi {
  readonly faults = new Faults();
  readonly calls: string[] = [];
  readonly hypervisor: Hypervisor;
  readonly zones: string[];
  readonly machineTypes = [
    { name: "e2-standard-2", architecture: "X86_64", guestCpus: 2 },
    { name: "e2-small", architecture: "X86_64", guestCpus: 2 },
    { name: "t2a-standard-2", architecture: "ARM64", guestCpus: 2 },
  ];
  /** Requests that broke a rule of the API, or the fake's own answers that did: none in a test that is about something else. */
  readonly violations: string[] = [];
  private readonly pace: number;
  private readonly storage: GceOptions["storage"];
  private readonly projects = new Map<string, Project>();
  private readonly operations = new Map<string, Operation>();
  /** Operations by the request id that they came with: the same request again is the same operation. */
  private readonly requests = new Map<string, Operation>();
  private readonly running = new Set<Promise<void>>();
  private readonly routes: Route[];
  private readonly server: Server;

  constructor({ hypervisor = { ...noHypervisor }, pace = 2, zones = ["here-a", "here-b"], storage }: GceOptions) {
    this.storage = storage;
    this.hypervisor = hypervisor;
    this.pace = pace;
    this.zones = zones;
    const operations: Route[] = [
      ["GET", /\/operations\/([^/]+)$/, (_call, name) => this.operationNamed(name)],
      ["GET", /^projects\/([^/]+)\/global\/operations$/, (call, project) => this.globalOperations(project, call)],
    ];
    this.routes = [...machineRoutes(this), ...imageRoutes(this), ...quotaRoutes(this), ...operations];
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  /** Ends when everything under way has ended. */
  async close(): Promise<void> {
    await Promise.all(this.running);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /**
   * Unpacks a disk as Compute Engine does: https://cloud.google.com/compute/docs/import/import-existing-image#create_image_file
   * @returns its size in GiB.
   */
  async importRawDisk(source: string, image: Image): Promise<string> {
    const content = await this.storage?.(source);
    if (!content) throw new Refused(404, "notFound", `The resource '${source}' was not found`);
    const folder = await mkdtemp(join(tmpdir(), "ci-images-raw-disk-"));
    try {
      await execa("tar", ["--extract", "--gzip", "--sparse", "--directory", folder], { input: content });
      const names = await readdir(folder);
      const disk = join(folder, "disk.raw");
      const { size } = await stat(disk).catch(() => ({ size: 0 }));
      if (names.length !== 1 || size === 0 || size % 2 ** 30 !== 0) {
        throw new Refused(400, "invalid", `The tar archive is not a valid image: ${names.join(", ")}, ${size} bytes`);
      }
      await this.hypervisor.importDisk?.(image, disk);
      return String(size / 2 ** 30);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** `http://127.0.0.1:PORT/compute/v1/` */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/compute/v1/`;
  }

  /** What a process needs to use this cloud. */
  get environment(): Record<string, string> {
    return { GOOGLE_COMPUTE_CUSTOM_ENDPOINT: this.endpoint, GCE_PROJECT: "bakery" };
  }

  /** A project; made when it is first named. */
  project(id: string): Project {
    let found = this.projects.get(id);
    if (!found) this.projects.set(id, (found = new Project(id)));
    return found;
  }

  /** Puts an image there that nobody baked. @param changes Its properties. */
  addBase(project: string, name: string, changes: Partial<Image> = {}): Image {
    const fixed = { status: "READY", diskSizeGb: "10", architecture: "X86_64" };
    const guestOsFeatures = [{ type: "UEFI_COMPATIBLE" }, { type: "GVNIC" }];
    const thing = this.thing("compute#image", `projects/${project}/global/images/${name}`, { name });
    const image: Image = { ...thing, ...fixed, guestOsFeatures, ...changes };
    this.project(project).images.set(name, image);
    return image;
  }

  /** What every new thing has, and what the request says of it. */
  thing(kind: string, path: string, body: Record<string, unknown>) {
    return {
      ...body,
      kind,
      name: path.split("/").at(-1)!,
      id: newId(),
      selfLink: links + path,
      creationTimestamp: new Date().toISOString(),
      labelFingerprint: newFingerprint(),
    };
  }

  /** Runs a change; the answer is its operation. */
  operation(call: Call, targetLink: string, change: () => Promise<void>): Operation {
    const requestId = call.query.get("requestId");
    const earlier = requestId === null ? undefined : this.requests.get(requestId);
    if (earlier) return earlier;
    const zone = /projects\/[^/]+\/zones\/[^/]+/.exec(call.path)?.[0];
    const name = `operation-${newId()}`;
    const operationType =
      call.method === "POST" ? (/\/(set\w+|start|stop)$/.exec(call.path)?.[1] ?? "insert") : verbs[call.method];
    const operation: Operation = {
      ...{ name, operationType, status: "RUNNING", targetLink },
      ...(zone && { zone: links + zone }),
    };
    this.operations.set(name, operation);
    if (requestId !== null) this.requests.set(requestId, operation);
    const work = this.run(operation, `${call.method} ${call.path}`, change);
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
    return { ...operation };
  }

  /** Changes labels, if the fingerprint is the present one. */
  setLabels(
    thing: { labels?: Record<string, string>; labelFingerprint: string; selfLink: string },
    call: Call,
  ): Operation {
    const { labels, labelFingerprint } = call.body as { labels: Record<string, string>; labelFingerprint?: string };
    if (labelFingerprint !== thing.labelFingerprint) {
      throw new Refused(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed");
    }
    return this.operation(call, thing.selfLink, async () => {
      Object.assign(thing, { labels, labelFingerprint: newFingerprint() });
    });
  }

  /** The disk at a URL or path. @throws Refused 404 */
  diskAt(url: string): Disk {
    const [, project, zone, name] = /projects\/([^/]+)\/zones\/([^/]+)\/disks\/([^/]+)$/.exec(url) ?? [];
    const found = project === undefined ? undefined : this.project(project).disks.get(`${zone}/${name}`);
    if (!found) throw notFound(url);
    return found;
  }

  /** The image at a URL or path. @throws Refused 404 */
  imageAt(url: string): Image {
    const [, project, name] = /projects\/([^/]+)\/global\/images\/([^/]+)$/.exec(url) ?? [];
    const found = project === undefined ? undefined : this.project(project).images.get(name);
    if (!found) throw notFound(url);
    return found;
  }

  /** The image that a disk was made from, as long as it is there. */
  imageOf(disk: Disk | undefined): Image | undefined {
    const [, project, name] = /projects\/([^/]+)\/global\/images\/([^/]+)$/.exec(disk?.sourceImage ?? "") ?? [];
    return project === undefined ? undefined : this.project(project).images.get(name);
  }

  instanceAt(url: string): Instance | undefined {
    const [, project, zone, name] = /projects\/([^/]+)\/zones\/([^/]+)\/instances\/([^/]+)$/.exec(url) ?? [];
    return project === undefined ? undefined : this.project(project).instances.get(`${zone}/${name}`);
  }

  private async run(operation: Operation, call: string, change: () => Promise<void>): Promise<void> {
    await sleep(this.pace);
    const fault = this.faults.failure(call);
    try {
      if (fault) throw new Refused(fault.status, fault.reason, fault.message ?? fault.reason);
      await change();
    } catch (error) {
      const code = error instanceof Refused ? error.reason : "INTERNAL_ERROR";
      operation.error = { errors: [{ code, message: (error as Error).message }] };
      operation.httpErrorStatusCode = error instanceof Refused ? error.status : 500;
    }
    operation.status = "DONE";
  }

  private operationNamed(name: string): Operation {
    const found = this.operations.get(name);
    if (!found) throw notFound(`operations/${name}`);
    return found;
  }

  private globalOperations(project: string, { query }: Call): unknown {
    const ours = [...this.operations.values()].filter(({ targetLink }) =>
      targetLink.startsWith(`${links}projects/${project}/global/`),
    );
    return page(
      ours.filter((operation) => matches(query.get("filter"), operation)),
      query,
    );
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url!, this.endpoint);
    // The official provider of today asks for beta where nobody says otherwise.
    const [, version, path] = /^\/compute\/(v1|beta)\/(.*)$/.exec(url.pathname) ?? [undefined, "v1", url.pathname];
    const method = request.method!;
    this.calls.push(`${method} ${path}`);
    response.setHeader("content-type", "application/json");
    try {
      const refusal = await this.faults.refusal(`${method} ${path}`);
      if (refusal) throw new Refused(refusal.status, refusal.reason, refusal.message ?? refusal.reason);
      const text = Buffer.concat(chunks).toString();
      const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
      const call = { method, path, query: url.searchParams, body };
      response.end(JSON.stringify(await this.judged(call, await ComputeModel.of(version as "v1" | "beta"))));
    } catch (error) {
      const { status, reason } = error instanceof Refused ? error : { status: 500, reason: "backendError" };
      response.statusCode = status;
      response.end(errorBody(status, reason, (error as Error).message));
    }
  }

  /** Answers what the real API would not refuse; an answer that it would not give is a fault of ours. */
  private async judged(call: Call, model: ComputeModel): Promise<unknown> {
    const method = model.methodOf(call);
    if (!method) throw notFound(call.path);
    const [complaint] = model.complaints(method, call);
    if (complaint !== undefined) throw this.violation(new Refused(400, "badRequest", complaint), call);
    const refused = broken(call);
    if (refused) throw this.violation(refused, call);
    const answer = await this.answer(call);
    const [wrong] = model.answerComplaints(method, answer);
    if (wrong !== undefined) throw this.violation(wrongOfUs(`the answer to ${method.id}: ${wrong}`), call);
    return answer;
  }

  private violation<E extends Error>(error: E, { method, path }: Call): E {
    this.violations.push(`${method} ${path}: ${error.message}`);
    return error;
  }

  private async answer(call: Call): Promise<unknown> {
    for (const [method, pattern, handler] of this.routes) {
      const match = method === call.method ? pattern.exec(call.path) : null;
      if (match) return handler(call, ...match.slice(1).map(decodeURIComponent));
    }
    throw wrongOfUs(`does not do ${call.method} ${call.path} yet`);
  }
}

/** No status that clients try again. */
function wrongOfUs(what: string): Refused {
  return new Refused(501, "notImplemented", `the test cloud: ${what}`);
}
