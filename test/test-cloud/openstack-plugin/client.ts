// API client of the openstack plugin's stand-in, which logs in with a password.
import { setTimeout as delay } from "node:timers/promises";
import type { OpenStackApi } from "../openstack-api.ts";
import type { Values } from "../bridge.ts";
import type { StandInContext } from "../stand-in.ts";

type Service = "compute/v2.1" | "network/v2.0";

/** A refused request. */
export class Rejected extends Error {
  constructor(
    readonly status: number,
    call: string,
    body: string,
  ) {
    super(`${call}: expected a success, but got ${status} instead: ${body}`);
  }
}

const tokens = new WeakMap<OpenStackApi, Promise<string>>();

/** A client for one region. */
export class Client {
  constructor(
    private readonly api: OpenStackApi,
    readonly region: string,
    private readonly maxRetries: number,
  ) {}

  /** Creates a client for the resource's region: its own, its provider's or the first. */
  static of(api: OpenStackApi, values: Values, { config }: StandInContext): Client {
    const region = (values.region ?? config.region ?? api.environment.OS_REGION_NAME) as string;
    return new Client(api, region, (config.maxRetries ?? 0) as number);
  }

  /**
   * Sends a request.
   * @param microversion Nova's microversion; 2.1 by default.
   * @throws Rejected if the answer is not a success.
   */
  async call<T = Values>(
    service: Service,
    method: string,
    path: string,
    body?: unknown,
    microversion?: string,
  ): Promise<T> {
    if (!tokens.has(this.api)) tokens.set(this.api, login(this.api));
    for (let retries = 0; ; retries += 1) {
      const answer = await fetch(`${this.api.url}/${this.region}/${service}${path}`, {
        method,
        headers: {
          "content-type": "application/json",
          "x-auth-token": await tokens.get(this.api)!,
          ...(microversion !== undefined && { "x-openstack-nova-api-version": microversion }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (answer.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
      const pause = answer.headers.get("retry-after");
      // `max_retries` in docs/index.md of terraform-provider-openstack, and client/client.go of gophercloud/utils: it
      // only waits for whole seconds or until a date.
      if (answer.status !== 429 || pause === null || !/^\d+$/.test(pause) || retries >= this.maxRetries) {
        throw new Rejected(answer.status, `${method} ${path}`, text);
      }
      await delay(Number(pause) * 1000);
    }
  }

  /** Gets a resource, or undefined if it does not exist. */
  async find<T = Values>(service: Service, path: string): Promise<T | undefined> {
    return await unlessGone(this.call<T>(service, "GET", path));
  }
}

/** The promise's result, or undefined for a 404. */
export async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

/** Polls until `look` returns true. @param look Throws to stop waiting. */
export async function waitUntil(look: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await look())) await delay(50, undefined, { signal });
}

async function login(api: OpenStackApi): Promise<string> {
  const { user, password, project, domain } = api.account;
  const identity = { methods: ["password"], password: { user: { name: user, domain: { name: domain }, password } } };
  const scope = { project: { name: project, domain: { name: domain } } };
  const answer = await fetch(`${api.url}/identity/v3/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  if (!answer.ok) throw new Rejected(answer.status, "POST /auth/tokens", await answer.text());
  return answer.headers.get("x-subject-token")!;
}
