// Node loads this before the Pulumi program (`nodeargs` in Pulumi.yaml) and before the tests: it leaves out parts of
// Pulumi's SDK until they are used, and stack traces that nobody reads. Most of the CPU time of the SDK goes to them.
import Module from "node:module";
import { basename, dirname, join, sep } from "node:path";

// A Pulumi.yaml of earlier versions names index.ts and not toolchain/program.mjs.
const [, runner, ...words] = process.argv;
if (runner?.includes(join("pulumi", "cmd", "run")) && words.some((word) => /\.m?ts$/.test(word))) {
  const { register } = await import("tsx/esm/api");
  register();
}

/** @type {((request: string, from: string) => boolean)[]} */
const postponed = [
  // To serialize functions, for cloud functions: TypeScript's compiler, npm's dependency solver, a reader of package.json.
  (request) => ["typescript", "@npmcli/arborist", "normalize-package-data"].includes(request),
  // To send traces, for `--tracing`.
  (request) => request.startsWith("@opentelemetry/") && request !== "@opentelemetry/api",
  // To run Pulumi from a program: this program is run by Pulumi.
  (request, from) => request === "./automation" && basename(dirname(from)) === "pulumi",
];

/** What the SDK need not load at all: Node itself can map stack traces to TypeScript. */
const replaced = "source-map-support/register";

/**
 * Members of the SDK's modules that are replaced, by the last part of the module's path.
 * @type {Record<string, { member: string, by: (member: any) => unknown }>}
 */
const members = {
  // The SDK makes the text of a stack trace for every promise, for PULUMI_DEBUG_PROMISE_LEAKS.
  ...(!process.env.PULUMI_DEBUG_PROMISE_LEAKS && { debuggable: { member: "debuggablePromise", by: withoutTrace } }),
  // The SDK turns on the debugger before the program starts, to know where functions come from that it may have to
  // serialize. If it has to, it still turns it on.
  v8Hooks: { member: "isInitializedAsync", by: () => () => Promise.resolve() },
  // The SDK tells the engine where in the source each resource is declared, with all callers: lines of this project,
  // which mean nothing to its users.
  resource: {
    member: "Resource",
    by: (/** @type {object} */ resource) => Object.assign(resource, { callsites: () => [] }),
  },
};

/**
 * The modules whose member is replaced already.
 * @type {WeakSet<object>}
 */
const done = new WeakSet();

const sdk = ["", "@pulumi", "pulumi", ""].join(sep);

/** @typedef {(request: string, parent: { filename?: string } | undefined, isMain: boolean) => object} Load */

// Before version 22.15, Node has no other way to defer a `require` in somebody else's package.
const loader = /** @type {{ _load: Load }} */ (/** @type {unknown} */ (Module));
const load = loader._load;
loader._load = loadOrPostpone;

/** @type {Load} */
function loadOrPostpone(request, parent, isMain) {
  const from = parent?.filename;
  if (from?.includes(sdk)) {
    if (request === replaced) return {};
    if (postponed.some((matches) => matches(request, from))) return onFirstUse(() => load(request, parent, isMain));
    const replacement = members[basename(request)];
    if (replacement !== undefined) return withReplacement(load(request, parent, isMain), replacement);
  }
  return load(request, parent, isMain);
}

/**
 * Replaces a module's member, unless that is done.
 * @param {object} module Where modules need each other, it may not have its members yet.
 * @param {{ member: string, by: (member: any) => unknown }} replacement
 */
function withReplacement(module, { member, by }) {
  if (member in module && !done.has(module)) {
    done.add(module);
    Object.assign(module, { [member]: by(Reflect.get(module, member)) });
  }
  return module;
}

/**
 * A function in which errors get no stack trace.
 * @param {(...args: unknown[]) => unknown} run
 * @returns {(...args: unknown[]) => unknown}
 */
function withoutTrace(run) {
  return (...args) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return run(...args);
    } finally {
      Error.stackTraceLimit = limit;
    }
  };
}

/**
 * A module that is loaded when one of its members is read.
 * @param {() => object} read
 */
function onFirstUse(read) {
  /** @type {ProxyHandler<object>["get"]} */
  const get = (_, name) => {
    // The SDK's compiled code asks for this first, and would otherwise copy all members.
    if (name === "__esModule") return true;
    const module = read();
    if (name === "default" && !Reflect.get(module, "__esModule")) return module;
    return /** @type {unknown} */ (Reflect.get(module, name));
  };
  return new Proxy({}, { get });
}
