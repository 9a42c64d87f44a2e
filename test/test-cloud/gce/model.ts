// Checks requests and answers of the fake Compute API against Google's discovery documents
// (test/emulators/google-discovery.ts).
import {
  computeDiscovery,
  methodsOf,
  type Discovery,
  type DiscoveryMethod,
  type DiscoverySchema,
} from "../../emulators/google-discovery.ts";

/** An incoming request. */
interface Request {
  method: string;
  /** Below the endpoint. */
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

/** The versions that were asked for: each has hundreds of methods. */
const models = new Map<string, Promise<ComputeModel>>();

/** One version of the API. */
export class ComputeModel {
  private readonly methods: { method: DiscoveryMethod; pattern: RegExp }[];

  private constructor(private readonly discovery: Discovery) {
    this.methods = methodsOf(discovery).map((method) => ({ method, pattern: patternOf(method) }));
  }

  static of(version: "v1" | "beta"): Promise<ComputeModel> {
    const known = models.get(version) ?? computeDiscovery(version).then((discovery) => new ComputeModel(discovery));
    models.set(version, known);
    return known;
  }

  /** The method that a request calls, if the API has one. Literal paths win: `images/family/x` is not an image. */
  methodOf({ method: verb, path }: Pick<Request, "method" | "path">): DiscoveryMethod | undefined {
    const fitting = this.methods.filter(({ method, pattern }) => method.httpMethod === verb && pattern.test(path));
    const variables = ({ method }: { method: DiscoveryMethod }) => (method.flatPath ?? method.path).split("{").length;
    return fitting.sort((a, b) => variables(a) - variables(b))[0]?.method;
  }

  /** Lists what is wrong with a request, in the API's words. */
  complaints(method: DiscoveryMethod, request: Request): string[] {
    return [
      ...this.pathComplaints(method, request),
      ...this.queryComplaints(method, request),
      ...(method.request
        ? this.valueComplaints({ $ref: method.request.$ref }, request.body, "resource", method.id)
        : Object.keys(request.body).map((key) => unknownName(key, "resource"))),
    ];
  }

  /** Lists what is wrong with an answer, which means a bug in the fake. */
  answerComplaints({ response }: DiscoveryMethod, answer: unknown): string[] {
    return response ? this.valueComplaints({ $ref: response.$ref }, plain(answer), "answer") : [];
  }

  private pathComplaints(method: DiscoveryMethod, { path }: Request): string[] {
    const values = patternOf(method).exec(path)?.groups ?? {};
    return Object.entries(method.parameters ?? {}).flatMap(([name, { location, pattern }]) => {
      const value = location === "path" ? values[name] : undefined;
      if (value === undefined || pattern === undefined || fits(value, pattern)) return [];
      return [`Invalid value for field '${name}': '${value}'. Must be a match of regex '${pattern}'`];
    });
  }

  private queryComplaints({ parameters = {} }: DiscoveryMethod, { query }: Request): string[] {
    const all = { ...this.discovery.parameters, ...parameters };
    return [...query].flatMap(([name, value]) => {
      const parameter = Object.hasOwn(all, name) ? all[name] : undefined;
      if (parameter?.location !== "query") {
        return [`Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter.`];
      }
      const { type } = parameter;
      const right =
        type === "integer" ? /^-?\d+$/.test(value) : type === "boolean" ? /^(true|false)$/.test(value) : true;
      const listed = !parameter.enum || parameter.enum.includes(value);
      return right && listed ? [] : [`Invalid value at '${name}' (${type}), "${value}"`];
    });
  }

  private valueComplaints(schema: DiscoverySchema, value: unknown, at: string, method?: string): string[] {
    const resolved = schema.$ref === undefined ? schema : this.discovery.schemas[schema.$ref];
    const { type, items, properties, additionalProperties, pattern } = resolved;
    const wrong = [`Invalid value at '${at}' (${resolved.format ?? type ?? "value"}), ${JSON.stringify(value)}`];
    // A patch removes fields with null.
    if (value === null || type === "any") return [];
    if (type === "array") {
      if (!Array.isArray(value)) return wrong;
      return value.flatMap((item, index) => this.valueComplaints(items!, item, `${at}[${index}]`, method));
    }
    if (type === "object") {
      if (typeof value !== "object" || Array.isArray(value)) return wrong;
      const given = value as Record<string, unknown>;
      const missing = Object.entries(properties ?? {}).flatMap(([key, { annotations }]) =>
        method !== undefined && annotations?.required?.includes(method) && given[key] === undefined
          ? [`Required field '${at}.${key}' not specified`]
          : [],
      );
      const inside = Object.entries(given).flatMap(([key, part]) => {
        const known = properties && Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
        return known ? this.valueComplaints(known, part, `${at}.${key}`, method) : [unknownName(key, at)];
      });
      return [...missing, ...inside];
    }
    // Requests may have 64-bit numbers as numbers; answers have them as text.
    if (!isScalar(resolved, value) || (method === undefined && type === "string" && typeof value !== "string")) {
      return wrong;
    }
    // The official provider sends "" for unset values.
    if (resolved.enum && value !== "" && !resolved.enum.includes(value as string)) return wrong;
    // Patterns apply only to requests: answers have links where requests may have names.
    if (method !== undefined && pattern !== undefined && !fits(value as string, pattern)) {
      return [`Invalid value for field '${at}': '${value as string}'. Must be a match of regex '${pattern}'`];
    }
    return [];
  }
}

function unknownName(key: string, at: string): string {
  return `Invalid JSON payload received. Unknown name "${key}" at '${at}': Cannot find field.`;
}

/**
 * 64-bit numbers are text in JSON, but accepted as numbers too: https://developers.google.com/discovery/v1/type-format
 */
function isScalar({ type, format }: DiscoverySchema, value: unknown): boolean {
  if (type === "boolean") return typeof value === "boolean";
  if (type === "number") return typeof value === "number";
  if (type === "integer" || format === "int64" || format === "uint64") {
    return typeof value === "string" ? /^-?\d+$/.test(value) : Number.isInteger(value);
  }
  return typeof value === "string";
}

function fits(value: string, pattern: string): boolean {
  return new RegExp(`^(?:${pattern})$`).test(value);
}

/** A pattern in which `{zone}` stands for one path segment. */
function patternOf({ flatPath, path }: DiscoveryMethod): RegExp {
  const text = (flatPath ?? path).replaceAll(/\{\+?([a-zA-Z_]+)\}/g, "(?<$1>[^/]+)");
  return new RegExp(`^${text}$`);
}

/** The value after serialization. */
function plain(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer)) as unknown;
}
