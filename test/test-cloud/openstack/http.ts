// Requests, answers and errors of the fake OpenStack, in each service's own format.
import type { Region } from "./state.ts";

export interface Call {
  method: string;
  region: Region;
  /** Below the service's endpoint: `/servers/42`. */
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
  /** The token's project. */
  project: string;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** A refusal by a service. `errorBody` formats it for the service. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** A method, a path pattern, and a handler that gets the pattern's groups. */
export type Route = [method: string, path: RegExp, handler: (call: Call, ...ids: string[]) => Promise<Answer> | Answer];

/** Finds the route and runs it. */
export async function dispatch(routes: Route[], call: Call): Promise<Answer> {
  for (const [method, path, handler] of routes) {
    const match = method === call.method ? path.exec(call.path) : null;
    if (match) return handler(call, ...match.slice(1).map(decodeURIComponent));
  }
  throw new Refused(404, `The resource could not be found: ${call.method} ${call.path}`);
}

/** The resource with this id. @throws Refused 404 */
export function existing<T>(things: Map<string, T>, id: string, what: string): T {
  const found = things.get(id);
  if (found === undefined) throw new Refused(404, `${what} ${id} could not be found.`);
  return found;
}

/** An error's body in the service's own format. */
export function errorBody(service: string, status: number, message: string): string {
  if (service === "identity") return JSON.stringify({ error: { code: status, message, title: "Error" } });
  if (service === "network") return JSON.stringify({ NeutronError: { type: "Error", message, detail: "" } });
  if (service === "image") {
    return `<html><head><title>${status}</title></head><body><h1>${status}</h1>${message}<br /><br /></body></html>`;
  }
  const kinds: Record<number, string> = { 404: "itemNotFound", 409: "conflictingRequest", 403: "forbidden" };
  return JSON.stringify({ [kinds[status] ?? "badRequest"]: { code: status, message } });
}
