// Property values as sent by the engine: plain JSON in which secrets and unknown values are marked by signatures. The
// signatures are part of Pulumi's protocol (sdk/go/common/resource/sig).

/** @typedef {unknown} Value Anything that JSON can hold, with the signatures below for what it can't. */
/** @typedef {Record<string, Value>} Properties */

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** A value that is not known before the update runs. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/**
 * @param {Value} value
 * @returns {value is Properties}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {Value} value
 * @param {string} signature
 * @returns {value is Properties}
 */
function isSigned(value, signature) {
  return isObject(value) && value[signatureKey] === signature;
}

/** @param {Value} value */
export function isSecret(value) {
  return isSigned(value, secretSignature);
}

/**
 * Marks a value as secret: encrypted in the state, hidden on the screen.
 * @param {Value} value
 * @returns {Value}
 */
export function secret(value) {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

/**
 * The value itself; only the top level is revealed.
 * @param {Value} value
 * @returns {Value}
 */
export function reveal(value) {
  return isSigned(value, secretSignature) ? reveal(value.value) : value;
}

/**
 * The value with everything in it revealed: for use, never for an answer to the engine.
 * @param {Value} value
 * @returns {Value}
 */
export function revealAll(value) {
  const plain = reveal(value);
  if (Array.isArray(plain)) return plain.map(revealAll);
  if (!isObject(plain)) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, item]) => [key, revealAll(item)]));
}

/** @param {Value} value */
export function isUnknown(value) {
  return reveal(value) === unknownValue;
}
