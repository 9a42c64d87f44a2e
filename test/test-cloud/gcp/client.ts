// API client of the gcp plugin's stand-in.
import { setTimeout as delay } from "node:timers/promises";
import type { Values } from "../bridge.ts";
import type { GceApi } from "../gce-api.ts";
import type { StandInContext } from "../stand-in.ts";

/** A refused request or a failed operation. */
export class Rejected extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(`googleapi: Error ${status}: ${message}`);
  }
}

interface Operation {
  name: string;
  status: string;
  error?: { errors: { code: string; message: string }[] };
  httpErrorStatusCode?: number;
}

/**
 * `IsRetryable` in google-beta/services/compute/compute_operation.go: the provider polls such an operation again
 * although it has ended.
 */
function isRetried({ error }: Operation): boolean {
  return error?.errors.some(({ code }) => code === "RESOURCE_NOT_READY") ?? false;
}

/** A client for one resource. */
export class Client {
  readonly project: string;

  constructor(
    private readonly api: GceApi,
    values: Values,
    private readonly context: StandInContext,
  ) {
    this.project = (values.project ?? context.config.project ?? api.environment.GCE_PROJECT) as string;
  }

  /** Sends a request. @throws Rejected if the answer is not a success. */
  async call<T = Values>(method: string, path: string, body?: unknown): Promise<T> {
    for (;;) {
      const answer = await fetch(this.api.endpoint + path, {
        method,
        headers: { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (answer.ok) return JSON.parse(text) as T;
      // google/transport/error_retry_predicates.go of terraform-provider-google retries these.
      if (![429, 500, 502, 503].includes(answer.status)) throw new Rejected(answer.status, text);
      await delay(100, undefined, { signal: this.context.signal });
    }
  }

  /** Sends a change and waits for its operation. @param container `projects/P/zones/Z` or `projects/P/global`. */
  async change(method: string, container: string, path: string, body?: unknown): Promise<void> {
    let operation = await this.call<Operation>(method, `${container}/${path}`, body);
    for (let retries = 0; operation.status !== "DONE" || isRetried(operation);) {
      await delay(operation.status === "DONE" ? 200 : 30, undefined, { signal: this.context.signal });
      operation = await this.call<Operation>("GET", `${container}/operations/${operation.name}`);
      // StateChangeConf gives up after twenty polls, 10 s apart, and loses the reason.
      if (isRetried(operation) && ++retries > 20) throw new Error("couldn't find resource (21 retries)");
    }
    const [error] = operation.error?.errors ?? [];
    if (error) throw new Rejected(operation.httpErrorStatusCode ?? 500, `${error.code}: ${error.message}`);
  }

  /** Gets a resource, or undefined if it does not exist. */
  async find<T = Values>(path: string): Promise<T | undefined> {
    try {
      return await this.call<T>("GET", path);
    } catch (error) {
      if (error instanceof Rejected && error.status === 404) return undefined;
      throw error;
    }
  }
}

/** The container of a zone's resources. */
export function zonal({ project }: Client, { zone }: Values): string {
  return `projects/${project}/zones/${zone as string}`;
}

/** Converts a name or link to a link for a request. */
export function linkOf({ project }: Client, collection: string, name: unknown): string {
  const text = name as string;
  return text.includes("/")
    ? text.replace(/^https?:\/\/[^/]+\/compute\/v1\//, "")
    : `projects/${project}/${collection}/${text}`;
}

/** The provider's outputs for labels: the program's own, and all labels. */
export function labelState(
  found: { labels?: Record<string, string>; labelFingerprint: string },
  state: Values,
): Values {
  const all = found.labels ?? {};
  return {
    // Other people's labels are no drift. A removed label of the program is read as an empty one: `SetLabels` in
    // https://github.com/hashicorp/terraform-provider-google-beta/blob/v7.45.0/google-beta/tpgresource/labels.go
    labels: Object.fromEntries(Object.keys(state.labels ?? {}).map((key) => [key, all[key] ?? ""])),
    pulumiLabels: all,
    effectiveLabels: all,
    labelFingerprint: found.labelFingerprint,
  };
}

/** Labels of a new resource. The provider adds its own label by default (`add_pulumi_attribution_label`). */
export function firstLabels(labels: unknown): Record<string, string> {
  return { ...(labels as Record<string, string> | undefined), "goog-pulumi-provisioned": "true" };
}

/** Sets a resource's labels to the program's, and keeps other people's labels. */
export async function changeLabels(client: Client, path: string, inputs: Values, state: Values): Promise<void> {
  const found = await client.call<{ labels?: Record<string, string>; labelFingerprint: string }>("GET", path);
  const before = (state.labels ?? {}) as Record<string, string>;
  const others = Object.entries(found.labels ?? {}).filter(([key]) => !(key in before));
  const labels = { ...Object.fromEntries(others), ...(inputs.labels as Record<string, string> | undefined) };
  const container = /^projects\/[^/]+\/(global|zones\/[^/]+)/.exec(path)![0];
  const { labelFingerprint } = found;
  await client.change("POST", container, `${path.slice(container.length + 1)}/setLabels`, { labels, labelFingerprint });
}
