// Requests, answers and errors of the fake OpenStack, in the shapes that each service really uses.
import type { Region } from "./state.ts";

export interface Call {
  method: string;
  region: Region;
  /** Below the service's endpoint: `/servers/42`. */
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
  /** The project that the token is for. */
  project: string;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Something that a service refuses; server.ts words it as that service does. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** A service: a table of method, path pattern and handler; the pattern's groups are the handler's further arguments. */
export type Route = [method: string, path: RegExp, handler: (call: Call, ...ids: string[]) => Promise<Answer> | Answer];

/** Finds the route and runs it. */
export async function dispatch(routes: Route[], call: Call): Promise<Answer> {
  for (const [method, path, handler] of routes) {
    const match = method === call.method ? path.exec(call.path) : null;
    if (match) return handler(call, ...match.slice(1).map(decodeURIComponent));
  }
  throw new Refused(404, `The resource could not be found: ${call.method} ${call.path}`);
}

/** The thing with that id. @throws Refused 404 */
export function existing<T>(things: Map<string, T>, id: string, what: string): T {
  const found = things.get(id);
  if (found === undefined) throw new Refused(404, `${what} ${id} could not be found.`);
  return found;
}

/** An error's body as the service words it: clients must understand them all. */
export function errorBody(service: string, status: number, message: string): string {
  if (service === "identity") return JSON.stringify({ error: { code: status, message, title: "Error" } });
  if (service === "network") return JSON.stringify({ NeutronError: { type: "Error", message, detail: "" } });
  if (service === "image") {
    return `<html><head><title>${status}</title></head><body><h1>${status}</h1>${message}<br /><br /></body></html>`;
  }
  const kinds: Record<number, string> = { 404: "itemNotFound", 409: "conflictingRequest", 403: "forbidden" };
  return JSON.stringify({ [kinds[status] ?? "badRequest"]: { code: status, message } });
}
