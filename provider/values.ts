// How Pulumi marks values on the wire: secrets are wrapped in an object, unknown values are a fixed string.
// https://github.com/pulumi/pulumi/blob/master/sdk/nodejs/runtime/rpc.ts has the constants; they are part of the protocol.
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The value with every secret wrapper taken off, at any depth. */
export function unwrapSecrets<T>(value: T): T {
  return walk(value, (item) => (isSecret(item) ? item.value : item)) as T;
}

/** Wraps a value so that the engine encrypts it in the state and hides it in its output. */
export function wrapSecret(value: unknown): unknown {
  return { [signatureKey]: secretSignature, value };
}

/** True if the value, or a part of it, is unknown until other resources are made. */
export function containsUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  if (Array.isArray(value)) return value.some(containsUnknown);
  if (value !== null && typeof value === "object") return Object.values(value).some(containsUnknown);
  return false;
}

/** True when the value, or a part of it, is a secret. */
export function containsSecret(value: unknown): boolean {
  if (isSecret(value)) return true;
  return value !== null && typeof value === "object" && Object.values(value).some(containsSecret);
}

function isSecret(item: unknown): item is { value: unknown } {
  return (
    item !== null &&
    typeof item === "object" &&
    (item as Record<string, unknown>)[signatureKey] === secretSignature &&
    "value" in item
  );
}

function walk(value: unknown, visit: (item: unknown) => unknown): unknown {
  const item = visit(value);
  if (Array.isArray(item)) return item.map((part) => walk(part, visit));
  if (item !== null && typeof item === "object") {
    return Object.fromEntries(Object.entries(item).map(([key, part]) => [key, walk(part, visit)]));
  }
  return item;
}
