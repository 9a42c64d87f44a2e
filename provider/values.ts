// Pulumi's marks for values in its protocol: a secret is wrapped in an object, an unknown value is a fixed string.
import { specialSecretSig, specialSigKey, unknownValue } from "@pulumi/pulumi/runtime/rpc.js";

/** The value without any secret wrappers, at any depth. */
export function unwrapSecrets<T>(value: T): T {
  return walk(value, (item) => (isSecret(item) ? item.value : item)) as T;
}

/** Wraps a value so that the engine encrypts it in the state and hides it in its output. */
export function wrapSecret(value: unknown): unknown {
  return { [specialSigKey]: specialSecretSig, value };
}

/** Whether the value, or a part of it, is unknown until other resources are made. */
export function containsUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  if (Array.isArray(value)) return value.some(containsUnknown);
  if (value !== null && typeof value === "object") return Object.values(value).some(containsUnknown);
  return false;
}

/** Whether the value, or a part of it, is a secret. */
export function containsSecret(value: unknown): boolean {
  if (isSecret(value)) return true;
  return value !== null && typeof value === "object" && Object.values(value).some(containsSecret);
}

function isSecret(item: unknown): item is { value: unknown } {
  return (
    item !== null &&
    typeof item === "object" &&
    (item as Record<string, unknown>)[specialSigKey] === specialSecretSig &&
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
