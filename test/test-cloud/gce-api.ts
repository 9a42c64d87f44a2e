// A small Google Compute Engine in this process: the REST API v1 on a free loopback port, with its state in memory. It
// has what bakes need: zones, machine types, networks, firewalls, instances, disks, images, operations.
//
//   const cloud = await startGce({ hypervisor, pace: 5 });
//   cloud.environment          variables for its users (no credentials needed)
//   cloud.project("bakery")    its instances and disks (by `zone/name`), images and firewalls (by name), which tests can
//                              inspect and change directly
//   cloud.addBase("debian-cloud", "debian-12-bookworm-v20261110", { family: "debian-12" })
//   cloud.faults               refused requests, failing operations, latency (gce/faults.ts)
//   cloud.calls                every request so far: `POST projects/bakery/zones/here-a/instances`
//   await cloud.close()
//
// Changes return an operation that ends after `pace` milliseconds plus the time of the `hypervisor` (gce/state.ts),
// which does nothing by default; the test cloud uses containers. A machine's metadata are in `instance.metadata.items`:
// `ssh-keys`, `user-data` and `startup-script`; the last two contain the machine's private host key. Names can be
// reused, numbers (`id`) never. Labels are changed against a fingerprint. An image of a running instance's disk is
// refused. A disk in use can't be deleted. Deleting a missing resource is a 404.
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
import { endRuns, machineRoutes } from "./gce/machines.ts";
import { ComputeModel } from "./gce/model.ts";
import { quotaRoutes } from "./gce/quotas.ts";
import { broken } from "./gce/rules.ts";
import {
  newFingerprint,
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
  /** Reads an object from Cloud Storage, for images of raw disks. */
  storage?: (source: string) => Promise<Buffer | undefined>;
  /** Minimum duration of an operation, in milliseconds; 2 by default. */
  pace?: number;
  /** The zones; `here-a` and `here-b` by default. */
  zones?: string[];
}

/** Starts an API on a free port. */
export async function startGce(options: GceOptions = {}): Promise<GceApi> {
  const api = new GceApi(options);
  await api.listen();
  return api;
}

/** The prefix of all links, whatever the endpoint: the official provider recognizes links by it. */
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

/** Names of operations that change a whole resource; other operations have the name of their method. */
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
  /** Requests, or our own answers, that broke a rule of the API. Only tests of these rules may have any. */
  readonly violations: string[] = [];
  private readonly pace: number;
  private readonly storage: GceOptions["storage"];
  private readonly projects = new Map<string, Project>();
  private readonly operations = new Map<string, Operation>();
  /** Operations by request id: a repeated request returns the same operation. */
  private readonly requests = new Map<string, Operation>();
  private readonly running = new Set<Promise<void>>();
  private readonly routes: Route[];
  private readonly server: Server;
  private number = 1000;
  private readonly clock = setInterval(() => this.endRuns(), 1000).unref();
  private ending: Promise<void> | undefined;

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

  /** Waits for all operations, then stops. */
  async close(): Promise<void> {
    clearInterval(this.clock);
    await Promise.all([...this.running, this.ending]);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /**
   * Unpacks a disk like Compute Engine:
   * https://cloud.google.com/compute/docs/import/import-existing-image#create_image_file
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

  /** Environment variables for this cloud's users. */
  get environment(): Record<string, string> {
    return { GOOGLE_COMPUTE_CUSTOM_ENDPOINT: this.endpoint, GCE_PROJECT: "bakery" };
  }

  /** A project, which is created on first use. */
  project(id: string): Project {
    let found = this.projects.get(id);
    if (!found) this.projects.set(id, (found = new Project(id)));
    return found;
  }

  /** Adds a base image. @param changes Its properties. */
  addBase(project: string, name: string, changes: Partial<Image> = {}): Image {
    const fixed = { status: "READY", diskSizeGb: "10", architecture: "X86_64" };
    const guestOsFeatures = [{ type: "UEFI_COMPATIBLE" }, { type: "GVNIC" }];
    const thing = this.thing("compute#image", `projects/${project}/global/images/${name}`, { name });
    const image: Image = { ...thing, ...fixed, guestOsFeatures, ...changes };
    this.project(project).images.set(name, image);
    return image;
  }

  /** Ends machines whose run duration is over, unless that is under way already. */
  private endRuns(): void {
    const ended = () => Promise.all([...this.projects.values()].map((project) => endRuns(this, project, new Date())));
    this.ending ??= ended().then(() => {
      this.ending = undefined;
    });
  }

  /**
   * A new unique number, which the API gives to every resource. Each cloud counts for itself: a recorded state knows its
   * base image by this number.
   */
  private newId(): string {
    this.number += 1;
    return String(this.number);
  }

  /** The fields that every new resource has, added to the request's body. */
  thing(kind: string, path: string, body: Record<string, unknown>) {
    return {
      ...body,
      kind,
      name: path.split("/").at(-1)!,
      id: this.newId(),
      selfLink: links + path,
      creationTimestamp: new Date().toISOString(),
      labelFingerprint: newFingerprint(),
    };
  }

  /** Starts a change. @returns its operation. */
  operation(call: Call, targetLink: string, change: () => Promise<void>): Operation {
    const requestId = call.query.get("requestId");
    const earlier = requestId === null ? undefined : this.requests.get(requestId);
    if (earlier) return earlier;
    const zone = /projects\/[^/]+\/zones\/[^/]+/.exec(call.path)?.[0];
    const name = `operation-${this.newId()}`;
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

  /** Changes labels, if the fingerprint is current. */
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

  /** The image that a disk was made from, if it still exists. */
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
    // The official provider uses beta by default.
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

  /** Answers requests that the real API would accept. An answer that it would not give is a bug in the fake. */
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

/** A bug in the fake, with a status that clients don't retry. */
function wrongOfUs(what: string): Refused {
  return new Refused(501, "notImplemented", `the test cloud: ${what}`);
}
