// Node loads this before the Pulumi program (`nodeargs` in Pulumi.yaml): it leaves out parts of Pulumi's SDK until they
// are used. Most of the CPU time that it takes to load the SDK goes to them.
import Module from "node:module";
import { basename, dirname, sep } from "node:path";

/** @type {((request: string, from: string) => boolean)[]} */
const postponed = [
  // To serialize functions, for cloud functions: TypeScript's compiler, npm's dependency solver, a reader of package.json.
  (request) => ["typescript", "@npmcli/arborist", "normalize-package-data"].includes(request),
  // To send traces, for `--tracing`.
  (request) => request.startsWith("@opentelemetry/") && request !== "@opentelemetry/api",
  // To run Pulumi from a program: this program is run by Pulumi.
  (request, from) => request === "./automation" && basename(dirname(from)) === "pulumi",
];

/**
 * What the SDK need not load at all: Node itself can map stack traces to TypeScript. The SDK takes a stack trace for every
 * resource and every call of the engine.
 */
const replaced = "source-map-support/register";

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
  }
  return load(request, parent, isMain);
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
