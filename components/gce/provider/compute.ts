// A small client for the Compute API: single requests, lists over all pages, and changes that wait for completion.
// Retries throttled requests, which a request id makes safe. All other refusals are immediate errors.
import { randomUUID } from "node:crypto";
import { UserError } from "../../../common/user-error.ts";
import { readGceEnvironment } from "../facts/environment.ts";
import type { Context } from "../../../provider/resource.ts";
import { longestPause, rest, waitFor } from "../../../provider/kit/wait.ts";
import { findIdentity, LoginError, type Identity } from "./credentials.ts";
import { ComputeError, curesOf } from "./errors.ts";
import { nameOf, type ApiProblem, type Operation } from "./types.ts";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Attempts before throttling becomes an error: about a minute in total. */
const attempts = 8;

/** Milliseconds that one request may take. */
const patience = 60_000;

/** For lookups without progress output. */
export const unwatched: Context = { progress: () => {}, signal: new AbortController().signal };

/** Changes in one project, and lookups in any. */
export class Compute {
  private constructor(
    private readonly endpoint: string,
    readonly identity: Identity,
    readonly project: string,
    private readonly context: Context,
  ) {}

  /**
   * Opens the API that the environment selects.
   * @param project The project's id; by default, that of the environment or the credentials.
   * @throws UserError if no project is known.
   */
  static async open(project: string | undefined, context: Context): Promise<Compute> {
    const environment = readGceEnvironment(process.env);
    const identity = await findIdentity(environment);
    const found = project ?? environment.project ?? (await identity.project());
    if (found !== undefined) return new Compute(environment.endpoint, identity, found, context);
    throw new UserError({
      where: "stack setting ci-images:gce.project",
      found: `not set, and ${identity.who} do not name a project`,
      cure: "npx pulumi config set --path ci-images:gce.project PROJECT, or set GCE_PROJECT",
    });
  }

  /**
   * Reads one resource.
   * @param path Below the project: `zones/Z/disks/D`; or with its own project: `projects/P/global/images/I`.
   * @returns undefined if it doesn't exist.
   */
  async find<T>(path: string): Promise<T | undefined> {
    try {
      return await this.request<T>("GET", path);
    } catch (error) {
      if (error instanceof ComputeError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Lists all resources of a kind: `zones/Z/disks`, `global/images`. @param filter In the API's filter language. */
  async list<T>(path: string, filter?: string): Promise<T[]> {
    type Page = { items?: T[]; nextPageToken?: string };
    return this.pages<Page, T>(path, filter, ({ items = [] }) => items);
  }

  /** Lists all resources of a kind in all zones. @param kind `instances`, `disks`. */
  async listEverywhere<T>(kind: string, filter?: string): Promise<T[]> {
    type Page = { items?: Record<string, Record<string, T[] | undefined>>; nextPageToken?: string };
    return this.pages<Page, T>(`aggregated/${kind}`, filter, ({ items = {} }) =>
      Object.values(items).flatMap((scope) => scope[kind] ?? []),
    );
  }

  /**
   * Changes a resource and waits until the change is done.
   * @param what For people: `deleting disk D`.
   * @param seconds How long it may take.
   * @param isNumbered False if the API accepts no request id. Sending such a request twice must do no harm.
   * @throws ComputeError if the API refuses at once or fails later; UserError at the deadline.
   */
  async change(
    method: Method,
    path: string,
    { what, seconds, body, isNumbered = true }: { what: string; seconds: number; body?: object; isNumbered?: boolean },
  ): Promise<void> {
    const query: Record<string, string> = isNumbered ? { requestId: randomUUID() } : {};
    const operation = await this.request<Operation>(method, path, { body, query });
    const scope = operation.zone === undefined ? "global" : `zones/${nameOf(operation.zone)}`;
    const place = `${scope}/operations/${operation.name}`;
    const zone = operation.zone === undefined ? "--global" : `--zone=${nameOf(operation.zone)}`;
    await waitFor<void>(
      {
        what: `${what} (operation ${operation.name})`,
        until: "to be DONE",
        deadline: seconds,
        lookAt: `gcloud compute operations describe ${operation.name} --project=${this.project} ${zone}`,
        look: async () => {
          const { status, error, httpErrorStatusCode } = await this.request<Operation>("GET", place);
          if (status !== "DONE") return { state: status };
          const problems = error?.errors ?? [];
          if (problems.length > 0) throw this.failure(what, httpErrorStatusCode ?? 0, problems);
          return { done: undefined };
        },
      },
      this.context,
    );
  }

  /** Deletes a resource and waits until it is gone. @returns false if it no longer existed. */
  async remove(path: string, what: string, seconds: number): Promise<boolean> {
    try {
      await this.change("DELETE", path, { what: `deleting ${what}`, seconds });
      return true;
    } catch (error) {
      if (error instanceof ComputeError && error.isGone) return false;
      throw error;
    }
  }

  private async pages<P extends { nextPageToken?: string }, T>(
    path: string,
    filter: string | undefined,
    itemsOf: (page: P) => T[],
  ): Promise<T[]> {
    const found: T[] = [];
    for (let pageToken: string | undefined; ;) {
      const query = { ...(filter && { filter }), ...(pageToken && { pageToken }), maxResults: "500" };
      const page = await this.request<P>("GET", path, { query });
      found.push(...itemsOf(page));
      if (!page.nextPageToken) return found;
      pageToken = page.nextPageToken;
    }
  }

  private async request<T>(
    method: Method,
    path: string,
    { body, query = {} }: { body?: object; query?: Record<string, string> } = {},
  ): Promise<T> {
    const below = path.startsWith("projects/") ? path : `projects/${this.project}/${path}`;
    const url = new URL(below, this.endpoint);
    url.search = new URLSearchParams(query).toString();
    const what = `${method} ${below}`;
    const { signal } = this.context;
    for (let attempt = 1, pause = Math.min(500, longestPause()); ; attempt += 1, pause *= 2) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
      let failure: ComputeError | LoginError;
      let reason: string;
      try {
        const headers = { ...(await this.identity.headers()), "content-type": "application/json" };
        const response = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal: limit });
        if (response.ok) return (await response.json()) as T;
        const problems = await problemsOf(response);
        failure = this.failure(what, response.status, problems);
        reason = problems[0]?.message ?? String(response.status);
      } catch (error) {
        signal.throwIfAborted();
        const { message, cause } = error as Error;
        reason = `${message}${cause instanceof Error ? `: ${cause.message}` : ""}`;
        failure =
          error instanceof LoginError ? error : this.failure(what, 0, [{ reason: "connection", message: reason }]);
      }
      if (!failure.mayPass || attempt === attempts) throw failure;
      this.context.progress(`${what}: ${reason}; trying again`, true);
      await rest(Math.min(pause, 10 * longestPause()), signal);
    }
  }

  private failure(what: string, status: number, problems: ApiProblem[]): ComputeError {
    return new ComputeError(
      `project ${this.project}`,
      what,
      status,
      problems,
      curesOf(problems, status, this.identity.who),
    );
  }
}

async function problemsOf(response: Response): Promise<ApiProblem[]> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { message?: string; errors?: ApiProblem[]; status?: string } };
    if (error.errors && error.errors.length > 0) return error.errors;
    return [{ reason: error.status, message: error.message }];
  } catch {
    // A proxy's page, not the API's answer.
    return [{ message: text.slice(0, 200) || response.statusText }];
  }
}
