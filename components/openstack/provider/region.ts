// One region of an OpenStack, for resources and functions: requests that return the body, and lookups of what may be
// missing.
import type { Context } from "../../../provider/resource.ts";
import { openSession, type Request, type Service, type Session } from "./session.ts";
import { ApiError } from "./transport.ts";

/** For lookups outside of an operation: no progress output, no cancellation. */
export const quiet: Context = { progress: () => {}, signal: new AbortController().signal };

export class Region {
  /**
   * @param name The region's name: `RegionOne`, `ORD`.
   * @param context The context of the operation that makes the requests.
   */
  constructor(
    readonly name: string,
    readonly context: Context,
    readonly session: Session = openSession(),
  ) {}

  /** The project that we are logged in to. */
  projectId(): Promise<string> {
    return this.session.projectId(this.context.signal);
  }

  /** True if the region has that service. */
  offers(service: Service): Promise<boolean> {
    return this.session.offers(service, this.name, this.context.signal);
  }

  /** Sends a request. @returns the answer's body. @throws ApiError */
  async send<T>(request: Request): Promise<T> {
    return (await this.session.request(this.name, request, this.context)).body as T;
  }

  /** Sends a request and returns the headers, too. @throws ApiError */
  async exchange(request: Request) {
    return this.session.request(this.name, request, this.context);
  }

  /** Gets a resource that may be missing. @returns undefined for 404. */
  async find<T>(service: Service, path: string, microversion?: string): Promise<T | undefined> {
    return unlessMissing(this.send<T>({ service, method: "GET", path, microversion }));
  }

  /** Deletes a resource. No-op if it no longer exists. */
  async remove(service: Service, path: string): Promise<void> {
    await unlessMissing(this.send({ service, method: "DELETE", path }));
  }

  /** An OpenStack client command line for this region, shown to people. */
  command(words: string): string {
    return `openstack --os-region-name ${this.name} ${words}`;
  }
}

/** Turns a 404 into undefined. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}
