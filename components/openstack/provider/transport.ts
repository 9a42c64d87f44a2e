// Sends one HTTP request to an OpenStack service. Not `fetch`, which doesn't accept certificate authorities per cloud.
import { request as plainRequest, type ClientRequest } from "node:http";
import { Agent, request as secureRequest } from "node:https";
import type { Readable } from "node:stream";
import { UserError } from "../../../common/user-error.ts";

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** JSON, or the text if it isn't JSON. */
  body: unknown;
}

/** TLS trust settings. */
export interface Trust {
  certificateAuthorities?: string;
  insecure: boolean;
}

/** A service refused a request. */
export class ApiError extends UserError {
  /**
   * @param method With `path`, the request; no bodies, as they may hold secrets.
   * @param service The service's type: `compute`.
   */
  constructor(
    readonly status: number,
    service: string,
    method: string,
    path: string,
    reason: string,
    readonly requestId: string | undefined,
  ) {
    const id = requestId === undefined ? "" : ` (request id ${requestId})`;
    super({ where: `OpenStack ${service}`, found: `${method} ${path} was refused with ${status}: ${reason}${id}` });
  }
}

/** There was no connection, or it was lost. */
export class ConnectionError extends UserError {
  /** @param mayPass True if the same request may succeed later: the fault is not a certificate or a host name. */
  constructor(
    parts: ConstructorParameters<typeof UserError>[0],
    readonly mayPass: boolean,
  ) {
    super(parts);
  }
}

/** A body too large for memory. */
export interface Content {
  /** Its size. */
  bytes: number;
  /** Opens it from the start; called again for every retry. */
  open(): Readable;
}

/** Whether a request may be sent twice. A second deletion finds nothing, which callers expect. */
export function isRepeatable(method: string): boolean {
  return method === "GET" || method === "DELETE";
}

/** Seconds of silence after which a connection is abandoned; a service may take long over an upload. */
const silence = { usual: 60, withContent: 600 };

/**
 * Sends a request. If it must not be sent twice, it gets its own connection: a service may close an idle connection at
 * the moment it is reused, and then we can't know whether the service got the request.
 * @param body The encoded body.
 * @throws ConnectionError if there is no connection, with the reason but never with the body.
 */
export async function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: string | Content | undefined,
  trust: Trust,
  signal: AbortSignal,
): Promise<Answer> {
  const { protocol, host } = new URL(url);
  const content = typeof body === "object" ? body.open() : undefined;
  const patience = content ? silence.withContent : silence.usual;
  let request: ClientRequest | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const agent = isRepeatable(method) ? undefined : (false as const);
      const options = { method, headers, signal, timeout: patience * 1000, agent };
      const sending =
        protocol === "https:"
          ? secureRequest(url, { ...options, ...trustOptions(trust), agent: agent ?? agentFor(trust) })
          : plainRequest(url, options);
      request = sending;
      sending.on("timeout", () => sending.destroy(new Error(`no answer for ${patience} s`)));
      sending.on("error", reject);
      sending.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode!, headers: response.headers, body: parse(text) });
        });
      });
      if (!content) return sending.end(body);
      content.on("error", (error) => sending.destroy(error));
      content.pipe(sending);
    });
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    const isTrust = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code ?? "");
    const parts = {
      where: `OpenStack at ${protocol}//${host}`,
      found: `no connection (${code ?? message})`,
      cure: isTrust ? "name the cloud's certificate authority in OS_CACERT, or cacert in clouds.yaml" : undefined,
    };
    throw new ConnectionError(parts, !isTrust && code !== "ENOTFOUND");
  } finally {
    // A service may refuse before it has read everything.
    if (content && !content.destroyed) {
      content.destroy();
      request?.destroy();
    }
  }
}

const agents = new Map<string, Agent>();

/** One agent per cloud, so that connections are reused. */
function agentFor(trust: Trust): Agent {
  const key = `${trust.insecure} ${trust.certificateAuthorities ?? ""}`;
  const agent = agents.get(key) ?? new Agent({ keepAlive: true, ...trustOptions(trust) });
  agents.set(key, agent);
  return agent;
}

function trustOptions({ certificateAuthorities: ca, insecure }: Trust) {
  return { ca, rejectUnauthorized: !insecure };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    // Empty, or Glance's HTML.
    return body;
  }
}

/** The reason for a refusal. Every service has its own format; Glance puts HTML even into its JSON. */
export function reasonOf(body: unknown): string {
  if (typeof body === "string") return plain(body);
  const [inner] = body !== null && typeof body === "object" ? (Object.values(body) as unknown[]) : [];
  const message = (inner as { message?: unknown } | null)?.message ?? (body as { message?: unknown } | null)?.message;
  return typeof message === "string" ? plain(message) : "no reason given";
}

function plain(text: string): string {
  const words = text
    .replace(/<(head|style)>.*?<\/\1>/gs, " ")
    .replaceAll(/<\/?[a-z][^>]*>/gi, " ")
    .replaceAll(/\s+/g, " ");
  return words.trim().slice(0, 500) || "no reason given";
}

/** The id under which the cloud's operator finds a request in the logs. */
export function requestIdOf({ headers }: Answer): string | undefined {
  const id = headers["x-openstack-request-id"] ?? headers["x-compute-request-id"];
  return Array.isArray(id) ? id[0] : id;
}
