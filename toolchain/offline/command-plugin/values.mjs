// Property values as the engine sends them: JSON with signatures that mark secrets and unknown values. The signatures
// are part of Pulumi's protocol (sdk/go/common/resource/sig).

/** @typedef {unknown} Value A JSON value, possibly with signatures. */
/** @typedef {Record<string, Value>} Properties */

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** Marks a value that is not known before the deployment. */
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
 * Marks a value as secret, so that it is encrypted in the state and hidden in output.
 * @param {Value} value
 * @returns {Value}
 */
export function secret(value) {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

/**
 * The value in clear text; values inside it stay marked.
 * @param {Value} value
 * @returns {Value}
 */
export function reveal(value) {
  return isSigned(value, secretSignature) ? reveal(value.value) : value;
}

/**
 * The value and everything in it in clear text. Never send this to the engine.
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
