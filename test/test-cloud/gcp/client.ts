// Requests of the gcp stand-in to the test cloud's Compute API.
import { setTimeout as delay } from "node:timers/promises";
import type { Values } from "../bridge.ts";
import type { GceApi } from "../gce-api.ts";
import type { StandInContext } from "../stand-in.ts";

/** An answer, or an operation's end, that says no. */
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

/** `IsRetryable` in google-beta/services/compute/compute_operation.go: such an operation is looked at again, although it has ended. */
function isRetried({ error }: Operation): boolean {
  return error?.errors.some(({ code }) => code === "RESOURCE_NOT_READY") ?? false;
}

/** The API as one resource needs it. */
export class Client {
  readonly project: string;

  constructor(
    private readonly api: GceApi,
    values: Values,
    private readonly context: StandInContext,
  ) {
    this.project = (values.project ?? context.config.project ?? api.environment.GCE_PROJECT) as string;
  }

  /** @throws Rejected for every answer that is no success. */
  async call<T = Values>(method: string, path: string, body?: unknown): Promise<T> {
    for (;;) {
      const answer = await fetch(this.api.endpoint + path, {
        method,
        headers: { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (answer.ok) return JSON.parse(text) as T;
      // What google/transport/error_retry_predicates.go of terraform-provider-google takes for passing.
      if (![429, 500, 502, 503].includes(answer.status)) throw new Rejected(answer.status, text);
      await delay(100, undefined, { signal: this.context.signal });
    }
  }

  /** A change, and the end of its operation. @param container `projects/P/zones/Z` or `projects/P/global`. */
  async change(method: string, container: string, path: string, body?: unknown): Promise<void> {
    let operation = await this.call<Operation>(method, `${container}/${path}`, body);
    for (let retries = 0; operation.status !== "DONE" || isRetried(operation);) {
      await delay(operation.status === "DONE" ? 200 : 30, undefined, { signal: this.context.signal });
      operation = await this.call<Operation>("GET", `${container}/operations/${operation.name}`);
      // Reason and all are lost: StateChangeConf gives up after twenty looks without a result, each 10 s after the one before.
      if (isRetried(operation) && ++retries > 20) throw new Error("couldn't find resource (21 retries)");
    }
    const [error] = operation.error?.errors ?? [];
    if (error) throw new Rejected(operation.httpErrorStatusCode ?? 500, `${error.code}: ${error.message}`);
  }

  /** As `call`, or undefined when the thing is not there. */
  async find<T = Values>(path: string): Promise<T | undefined> {
    try {
      return await this.call<T>("GET", path);
    } catch (error) {
      if (error instanceof Rejected && error.status === 404) return undefined;
      throw error;
    }
  }
}

/** The container of a zone's things. */
export function zonal({ project }: Client, { zone }: Values): string {
  return `projects/${project}/zones/${zone as string}`;
}

/** What a name or link of a thing becomes in a request: a link. */
export function linkOf({ project }: Client, collection: string, name: unknown): string {
  const text = name as string;
  return text.includes("/")
    ? text.replace(/^https?:\/\/[^/]+\/compute\/v1\//, "")
    : `projects/${project}/${collection}/${text}`;
}

/** What the provider tells of labels: those of the program, and all that there are. */
export function labelState(
  found: { labels?: Record<string, string>; labelFingerprint: string },
  state: Values,
): Values {
  const all = found.labels ?? {};
  return {
    // Labels that others have put there are no drift; one of the program's that they took off is read as an empty one: `SetLabels` in
    // https://github.com/hashicorp/terraform-provider-google-beta/blob/v7.45.0/google-beta/tpgresource/labels.go
    labels: Object.fromEntries(Object.keys(state.labels ?? {}).map((key) => [key, all[key] ?? ""])),
    pulumiLabels: all,
    effectiveLabels: all,
    labelFingerprint: found.labelFingerprint,
  };
}

/** The labels of a thing that is to be made: the provider adds one of its own, which no input names (`add_pulumi_attribution_label`). */
export function firstLabels(labels: unknown): Record<string, string> {
  return { ...(labels as Record<string, string> | undefined), "goog-pulumi-provisioned": "true" };
}

/** Sets a thing's labels to the program's, and leaves those of others. */
export async function changeLabels(client: Client, path: string, inputs: Values, state: Values): Promise<void> {
  const found = await client.call<{ labels?: Record<string, string>; labelFingerprint: string }>("GET", path);
  const before = (state.labels ?? {}) as Record<string, string>;
  const others = Object.entries(found.labels ?? {}).filter(([key]) => !(key in before));
  const labels = { ...Object.fromEntries(others), ...(inputs.labels as Record<string, string> | undefined) };
  const container = /^projects\/[^/]+\/(global|zones\/[^/]+)/.exec(path)![0];
  const { labelFingerprint } = found;
  await client.change("POST", container, `${path.slice(container.length + 1)}/setLabels`, { labels, labelFingerprint });
}
