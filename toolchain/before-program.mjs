// Node loads this before the Pulumi program (`nodeargs` in Pulumi.yaml): it translates TypeScript, and postpones parts of
// Pulumi's SDK.
import Module from "node:module";
import { sep } from "node:path";
import "tsx/esm";

/**
 * What Pulumi's SDK loads only to serialize functions (for cloud functions, which this program has none of): TypeScript's
 * compiler and npm's dependency solver. They take half of the CPU time that it takes to load the SDK.
 */
const postponed = ["typescript", "@npmcli/arborist"];
const sdk = ["", "@pulumi", "pulumi", ""].join(sep);

/** @typedef {(request: string, parent: { filename?: string } | undefined, isMain: boolean) => object} Load */

// Before version 22.15, Node has no other way to defer a `require` in somebody else's package.
const loader = /** @type {{ _load: Load }} */ (/** @type {unknown} */ (Module));
const load = loader._load;
loader._load = loadOrPostpone;

/** @type {Load} */
function loadOrPostpone(request, parent, isMain) {
  const isPostponed = postponed.includes(request) && parent?.filename?.includes(sdk);
  return isPostponed ? onFirstUse(() => load(request, parent, isMain)) : load(request, parent, isMain);
}

/**
 * A module that is loaded when one of its members is read.
 * @param {() => object} read
 */
function onFirstUse(read) {
  /** @type {ProxyHandler<object>["get"]} */
  const get = (_, name) => {
    // The SDK's compiled code asks for this first, and would otherwise copy all members.
    return name === "__esModule" || /** @type {unknown} */ (Reflect.get(read(), name));
  };
  return new Proxy({}, { get });
}
