// A session with one OpenStack: logs in once, finds each region's services in the catalog, and sends requests.
import { UserError } from "../../../common/user-error.ts";
import { digestOfValue } from "../../../provision/plan/digest.ts";
import { nearest } from "../../../common/nearest.ts";
import type { Context } from "../../../provider/resource.ts";
import { longestPause, rest } from "../../../provider/kit/wait.ts";
import { readCredentials, type Credentials } from "./credentials.ts";
import {
  ApiError,
  ConnectionError,
  isRepeatable,
  reasonOf,
  requestIdOf,
  send,
  type Answer,
  type Content,
} from "./transport.ts";

/** The types that a service may have in a catalog, most common first. */
const serviceTypes = {
  compute: ["compute"],
  image: ["image"],
  network: ["network"],
  volume: ["volumev3", "block-storage", "volume"],
} as const;

export type Service = keyof typeof serviceTypes;

export interface Request {
  service: Service;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the endpoint: `/servers/42`. Parts from elsewhere must be encoded. */
  path: string;
  body?: unknown;
  /** Raw bytes, instead of `body`. */
  content?: Content;
  /** Instead of `application/json`. */
  contentType?: string;
  /** Nova's microversion; by default 2.1. */
  microversion?: string;
}

interface Login {
  token: string;
  /** When the token expires, in milliseconds since 1970. */
  expires: number;
  projectId: string;
  catalog: { type: string; endpoints: { interface: string; region_id?: string; region?: string; url: string }[] }[];
}

/** How long to retry a busy service, in seconds. */
const patience = 300;
/** Attempts at a repeatable request after lost connections or gateway failures: about half a minute. */
const attempts = 6;
/** Milliseconds before its expiry at which a token is no longer used. */
const margin = 60_000;

const sessions = new Map<string, Session>();

/**
 * This process's session for the credentials in its environment. All regions share one login.
 * @throws UserError if the credentials are incomplete.
 */
export function openSession(): Session {
  const credentials = readCredentials(process.env, process.cwd());
  const key = digestOfValue(credentials);
  const session = sessions.get(key) ?? new Session(credentials);
  sessions.set(key, session);
  return session;
}

export class Session {
  private login?: Promise<Login>;

  constructor(readonly credentials: Credentials) {}

  /** The project that we are logged in to. */
  async projectId(signal: AbortSignal): Promise<string> {
    return (await this.loggedIn(signal)).projectId;
  }

  /** The regions that have a compute service. */
  async regions(signal: AbortSignal): Promise<string[]> {
    const { catalog } = await this.loggedIn(signal);
    const { face } = this.credentials;
    const endpoints = catalog.filter(({ type }) => type === "compute").flatMap((entry) => entry.endpoints);
    const names = endpoints
      .filter((each) => each.interface === face)
      .map((each) => each.region_id ?? each.region ?? "");
    return [...new Set(names)].filter(Boolean).sort();
  }

  /** Whether the region has that service: not every cloud has volumes. */
  async offers(service: Service, region: string, signal: AbortSignal): Promise<boolean> {
    return this.endpointIn(await this.loggedIn(signal), service, region) !== undefined;
  }

  /**
   * Sends a request to a service of a region. Renews an expired token once. Retries a busy service when it asks us to,
   * for at most five minutes. Retries reads and deletions after a lost connection.
   * @throws ApiError if the service refuses; ConnectionError if there is no connection.
   */
  async request(region: string, request: Request, { signal, progress }: Context): Promise<Answer> {
    const started = Date.now();
    const { service, method, path } = request;
    for (let renewed = false; ;) {
      const login = await this.loggedIn(signal);
      const answer = await this.repeat(isRepeatable(method), { signal, progress }, () =>
        this.sendWith(login, region, request, signal),
      );
      if (answer.status < 400) return answer;
      if (answer.status === 401 && !renewed) {
        renewed = true;
        await this.forget(login);
        continue;
      }
      const pause = busyFor(answer);
      const reason = reasonOf(answer.body);
      if (pause !== undefined && Date.now() - started + pause * 1000 < patience * 1000) {
        progress(`${service} of ${region} is too busy (${answer.status}), trying again in ${pause} s`, true);
        await rest(pause * 1000, signal);
        continue;
      }
      throw new ApiError(answer.status, `${service} of ${region}`, method, path, reason, requestIdOf(answer));
    }
  }

  /** Retries a repeatable request after a lost connection or a gateway failure. */
  private async repeat(mayRepeat: boolean, { signal, progress }: Context, ask: () => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt === attempts || !mayRepeat;
      let problem: string;
      try {
        const answer = await ask();
        if (isLast || !isGatewayFailure(answer)) return answer;
        problem = `a gateway answers ${answer.status}`;
      } catch (error) {
        if (isLast || !(error instanceof ConnectionError && error.mayPass)) throw error;
        problem = error.message;
      }
      progress(`${problem}; trying again`, true);
      await rest(Math.min(1000 * 2 ** (attempt - 1), 5 * longestPause()), signal);
    }
  }

  private async sendWith(login: Login, region: string, request: Request, signal: AbortSignal): Promise<Answer> {
    const { service, method, path, body, content, microversion } = request;
    const { contentType = content ? "application/octet-stream" : "application/json" } = request;
    const endpoint = this.endpointIn(login, service, region);
    if (endpoint === undefined) throw await this.noEndpoint(service, region, signal);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { accept: "application/json", "x-auth-token": login.token };
    if (text !== undefined || content) {
      headers["content-type"] = contentType;
      headers["content-length"] = String(content?.bytes ?? Buffer.byteLength(text!));
    }
    if (microversion !== undefined) {
      headers["openstack-api-version"] = `compute ${microversion}`;
      headers["x-openstack-nova-api-version"] = microversion;
    }
    return send(method, endpoint + path, headers, content ?? text, this.credentials, signal);
  }

  private endpointIn({ catalog }: Login, service: Service, region: string): string | undefined {
    const { face } = this.credentials;
    for (const type of serviceTypes[service]) {
      const endpoints = catalog.filter((entry) => entry.type === type).flatMap((entry) => entry.endpoints);
      const found = endpoints.find((each) => each.interface === face && (each.region_id ?? each.region) === region);
      if (found) return withVersion(service, found.url.replace(/\/+$/, ""));
    }
    return undefined;
  }

  private async noEndpoint(service: Service, region: string, signal: AbortSignal): Promise<UserError> {
    const regions = await this.regions(signal);
    const near = nearest(region, regions);
    return new UserError({
      where: this.credentials.source,
      found: `the catalog has no ${this.credentials.face} ${service} service in region "${region}"`,
      allowed: `regions ${regions.join(", ") || "(none)"}`,
      cure: near && near !== region ? `did you mean "${near}"?` : undefined,
    });
  }

  private async loggedIn(signal: AbortSignal): Promise<Login> {
    const current = this.login;
    const known = await current;
    if (known && known.expires - margin > Date.now()) return known;
    // Another request may have started to log in meanwhile.
    if (this.login !== current) return this.loggedIn(signal);
    const attempt = this.logIn(signal);
    this.login = attempt;
    // The next request retries a failed login.
    attempt.catch(() => (this.login = undefined));
    return attempt;
  }

  /** Drops a refused token, unless there is already a newer one. */
  private async forget(login: Login): Promise<void> {
    const current = this.login;
    if ((await current) === login && this.login === current) this.login = undefined;
  }

  private async logIn(signal: AbortSignal): Promise<Login> {
    const { authUrl, auth, source } = this.credentials;
    const text = JSON.stringify(auth);
    const headers = {
      accept: "application/json",
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(text)),
    };
    // A login may be sent twice, like a read: a token lost on the way does no harm.
    const answer = await this.repeat(true, { signal, progress: () => {} }, () =>
      send("POST", `${authUrl}/auth/tokens`, headers, text, this.credentials, signal),
    );
    if (answer.status === 401) {
      const found = `Keystone at ${authUrl} refused to log in: ${reasonOf(answer.body)} (request id ${requestIdOf(answer)})`;
      throw new UserError({ where: source, found, cure: "check user, password or secret, project and domains" });
    }
    if (answer.status >= 400) {
      const id = requestIdOf(answer);
      throw new ApiError(answer.status, "identity", "POST", "/auth/tokens", reasonOf(answer.body), id);
    }
    type Token = { expires_at: string; catalog?: Login["catalog"]; project?: { id: string } };
    const token = (answer.body as { token?: Token }).token;
    const subject = answer.headers["x-subject-token"];
    if (token === undefined || typeof subject !== "string") {
      throw new UserError({ where: source, found: `what answers at ${authUrl} is not Keystone v3` });
    }
    const { catalog = [], project, expires_at } = token;
    return { token: subject, expires: Date.parse(expires_at), projectId: project?.id ?? "", catalog };
  }
}

/** Catalogs list Glance and Neutron with or without their version. */
function withVersion(service: Service, url: string): string {
  const version = { image: "/v2", network: "/v2.0", compute: "", volume: "" }[service];
  return /\/v\d+(\.\d+)?(\/|$)/.test(new URL(url).pathname) ? url : url + version;
}

/** Whether a proxy in front of the service got no answer from it. */
function isGatewayFailure({ status, headers }: Answer): boolean {
  return status === 502 || status === 504 || (status === 503 && headers["retry-after"] === undefined);
}

/** Seconds that a service asks us to wait; undefined if it refuses for another reason. */
function busyFor({ status, headers, body }: Answer): number | undefined {
  // Nova before Juno, and Rackspace's to this day, answer 413 with `overLimit` instead of 429.
  const old =
    status === 413
      ? (body as { overLimit?: { retryAfter?: number | string } } | null)?.overLimit?.retryAfter
      : undefined;
  const given = old ?? headers["retry-after"];
  if (status === 429) return seconds(given) ?? 1;
  return status === 503 || status === 413 ? seconds(given) : undefined;
}

function seconds(given: unknown): number | undefined {
  const value = Number(given);
  return given === undefined || Number.isNaN(value) ? undefined : Math.max(value, 0.1);
}
