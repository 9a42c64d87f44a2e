// The resources' inputs, as in the schema of the official plugin 1.2.1, and their check.
import { isObject, isSecret, isUnknown, reveal, secret } from "./values.mjs";

/** @typedef {import("./values.mjs").Value} Value */
/** @typedef {import("./values.mjs").Properties} Properties */
/** @typedef {{ property: string, reason: string }} Failure */

/**
 * @typedef {object} Field
 * @property {"string" | "number" | "boolean" | "array" | "strings" | Record<string, Field>} type `strings` is an object
 * whose values are all strings.
 * @property {boolean} [required]
 * @property {boolean} [secret] Always a secret, even if the program does not mark it.
 * @property {Value} [default]
 * @property {string[]} [oneOf] The allowed values.
 */

/** @type {Record<string, Field>} */
const host = {
  host: { type: "string", required: true },
  port: { type: "number", default: 22 },
  user: { type: "string", default: "root" },
  password: { type: "string", secret: true },
  privateKey: { type: "string", secret: true },
  privateKeyPassword: { type: "string", secret: true },
  agentSocketPath: { type: "string" },
  dialErrorLimit: { type: "number", default: 10 },
  perDialTimeout: { type: "number", default: 15 },
  hostKey: { type: "string" },
};

/** @type {Record<string, Field>} */
const connection = { ...host, proxy: { type: host } };

/** @type {Record<string, Record<string, Field>>} */
export const resources = {
  "command:remote:Command": {
    connection: { type: connection, required: true, secret: true },
    create: { type: "string" },
    update: { type: "string" },
    delete: { type: "string" },
    stdin: { type: "string" },
    logging: { type: "string", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
    environment: { type: "strings" },
    addPreviousOutputInEnv: { type: "boolean" },
    triggers: { type: "array" },
  },
};

/**
 * Checks a resource's inputs, fills in defaults and marks the inputs that are always secret.
 * @param {Properties} inputs
 * @param {Record<string, Field>} fields
 * @param {string} [path] The path of the inputs, for messages; empty for the resource itself.
 * @returns {{ inputs: Properties, failures: Failure[] }}
 */
export function check(inputs, fields, path = "") {
  /** @type {Properties} */
  const checked = {};
  /** @type {Failure[]} */
  const failures = [];
  const place = (/** @type {string} */ name) => (path === "" ? name : `${path}.${name}`);
  for (const name of Object.keys(inputs)) {
    // The engine adds `version` and names with underscores for its own use.
    if (Object.hasOwn(fields, name) || name === "version" || name.startsWith("__")) continue;
    const allowed = Object.keys(fields).join(", ");
    failures.push({ property: place(name), reason: `there is no such input; allowed: ${allowed}` });
  }
  for (const [name, field] of Object.entries(fields)) {
    const given = inputs[name] ?? field.default;
    if (given === undefined || reveal(given) === null) {
      if (field.required) failures.push({ property: place(name), reason: "missing required input" });
      continue;
    }
    const { value, failures: inside } = checkValue(given, field, place(name));
    checked[name] = field.secret ? secret(value) : value;
    failures.push(...inside);
  }
  return { inputs: checked, failures };
}

/**
 * @param {Value} given
 * @param {Field} field
 * @param {string} property
 * @returns {{ value: Value, failures: Failure[] }}
 */
function checkValue(given, field, property) {
  const fail = (/** @type {string} */ reason) => ({ value: given, failures: [{ property, reason }] });
  if (isUnknown(given)) return { value: given, failures: [] };
  const plain = reveal(given);
  if (typeof field.type === "object") {
    if (!isObject(plain)) return fail(`expected an object, found ${describe(plain)}`);
    const { inputs, failures } = check(plain, field.type, property);
    return { value: isSecret(given) ? secret(inputs) : inputs, failures };
  }
  if (field.type === "strings") {
    if (!isObject(plain)) return fail(`expected an object of strings, found ${describe(plain)}`);
    const wrong = Object.entries(plain).filter(([, item]) => typeof reveal(item) !== "string");
    const failures = wrong.map(([key, item]) => ({
      property: `${property}.${key}`,
      reason: `expected a string, found ${describe(reveal(item))}`,
    }));
    return { value: given, failures };
  }
  const matches = field.type === "array" ? Array.isArray(plain) : typeof plain === field.type;
  // The message must not show the value, which may be a secret.
  if (!matches) return fail(`expected ${article(field.type)}, found ${describe(plain)}`);
  if (field.oneOf !== undefined && !field.oneOf.includes(/** @type {string} */ (plain)))
    return fail(`expected one of ${field.oneOf.join(", ")}, found ${JSON.stringify(plain)}`);
  return { value: given, failures: [] };
}

/** @param {string} type */
function article(type) {
  return type === "array" ? "an array" : `a ${type}`;
}

/** @param {Value} value */
function describe(value) {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
