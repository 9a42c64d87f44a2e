// Requests and answers of the fake Compute API, its errors, and its filters.

export interface Call {
  method: string;
  /** Below the endpoint: `projects/P/global/images`. */
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

/** Something that the API refuses. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

export function notFound(what: string): Refused {
  return new Refused(404, "notFound", `The resource '${what}' was not found`);
}

/** A method, a pattern of paths and a handler, which gets the pattern's groups. */
export type Route = [method: string, path: RegExp, handler: (call: Call, ...parts: string[]) => unknown];

/** An error's body, as https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-errors shows it. */
export function errorBody(status: number, reason: string, message: string): string {
  return JSON.stringify({ error: { code: status, message, errors: [{ message, domain: "global", reason }] } });
}

type Filtered = { name: string; family?: string; targetLink?: string; labels?: Record<string, string> };

/**
 * The filters that we use: `(labels.KEY = "VALUE") (family = "NAME")`, and `targetLink eq "PATTERN"`, which has to match as a whole.
 * @throws Refused for anything else: a filter that is not understood must not pass for one that matches everything.
 */
export function matches(filter: string | null, thing: Filtered): boolean {
  if (filter === null) return true;
  const [, pattern] = /^targetLink eq "([^"]+)"$/.exec(filter) ?? [];
  if (pattern !== undefined) return new RegExp(`^(?:${pattern})$`).test(thing.targetLink ?? "");
  const term = /^\((?:labels\.([a-z0-9_-]+)|(family|name)) = "([^"]*)"\)$/;
  return filter.split(/(?<=\)) /).every((text) => {
    const [, label, field, value] = term.exec(text) ?? [];
    if (value === undefined) throw new Refused(400, "invalid", `Invalid value for field 'filter': '${filter}'.`);
    return (label === undefined ? thing[field as "family" | "name"] : thing.labels?.[label]) === value;
  });
}

/** One page of a list: as many as `maxResults` says, and the token of the next page. */
export function page<T>(all: readonly T[], query: URLSearchParams): { items?: T[]; nextPageToken?: string } {
  const [start, size] = [Number(query.get("pageToken") ?? 0), Number(query.get("maxResults") ?? 500)];
  const items = all.slice(start, start + size);
  const next = start + size < all.length ? { nextPageToken: String(start + size) } : {};
  // The API leaves out an empty list.
  return { ...(items.length > 0 && { items }), ...next };
}
