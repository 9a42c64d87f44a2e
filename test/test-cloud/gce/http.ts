// Requests, answers, errors and filters of the fake Compute API.

export interface Call {
  method: string;
  /** Below the endpoint: `projects/P/global/images`. */
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

/** A refusal by the API. */
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

/** A method, a path pattern, and a handler that gets the pattern's groups. */
export type Route = [method: string, path: RegExp, handler: (call: Call, ...parts: string[]) => unknown];

/** An error's body: https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-errors */
export function errorBody(status: number, reason: string, message: string): string {
  return JSON.stringify({ error: { code: status, message, errors: [{ message, domain: "global", reason }] } });
}

type Filtered = { name: string; family?: string; targetLink?: string; labels?: Record<string, string> };

/**
 * Applies a filter of the forms that we use: `(labels.KEY = "VALUE") (family = "NAME")`, and `targetLink eq "PATTERN"`,
 * which must match completely.
 * @throws Refused for any other filter, because an unknown filter must not match everything.
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

/** One page of a list, with `maxResults` items and the token of the next page. */
export function page<T>(all: readonly T[], query: URLSearchParams): { items?: T[]; nextPageToken?: string } {
  const [start, size] = [Number(query.get("pageToken") ?? 0), Number(query.get("maxResults") ?? 500)];
  const items = all.slice(start, start + size);
  const next = start + size < all.length ? { nextPageToken: String(start + size) } : {};
  // The API omits an empty list.
  return { ...(items.length > 0 && { items }), ...next };
}
