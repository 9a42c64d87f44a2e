// Reads the stack's secrets, and digests them for a recipe's hash without revealing them.
import { scryptSync } from "node:crypto";
import { UserError, type Complaint } from "../../common/user-error.ts";

/** Names of secrets and their values. */
export type Secrets = Readonly<Record<string, string>>;

const environmentPrefix = "CI_IMAGES_SECRET_";

/**
 * Collects the secrets: the stack's `ci-images:secrets`, overridden by environment variables `CI_IMAGES_SECRET_<NAME>`.
 * @param configured The stack setting `ci-images:secrets`, decrypted: an object of names and values.
 * @param environment Usually `process.env`.
 * @throws UserError for a value that is not text, is empty or contains a NUL, and for an invalid name.
 */
export function readSecrets(configured: unknown, environment: NodeJS.ProcessEnv = {}): Secrets {
  const where = "stack setting ci-images:secrets";
  if (
    configured !== undefined &&
    (configured === null || typeof configured !== "object" || Array.isArray(configured))
  ) {
    throw new UserError({ where, found: "not an object of names and values", cure: cureFor("NAME") });
  }
  const fromEnvironment = Object.entries(environment).filter(([key]) => key.startsWith(environmentPrefix));
  const all: Record<string, unknown> = {
    ...configured,
    ...Object.fromEntries(fromEnvironment.map(([key, value]) => [key.slice(environmentPrefix.length), value])),
  };
  const complaints = Object.entries(all).flatMap(([name, value]) => complaintsAbout(where, name, value));
  if (complaints.length > 0) throw new UserError(...complaints);
  return all as Secrets;
}

/** The complaint about a secret that the stack lacks. */
export function missingSecret(name: string, where: string): Complaint {
  return { where, found: `the stack has no secret "${name}"`, cure: cureFor(name) };
}

/** Whether a secret (and its file and environment variable) can have this name. */
export function isSecretName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

const digests = new Map<string, string>();

/**
 * A digest of a secret's value for the recipe hash: a changed secret is a changed recipe. Hashes are public (in names
 * and tags of images), so this is scrypt, salted with the secret's name: each guess costs 64 MiB and about 0.2 s.
 */
export function slowDigest(name: string, value: string): string {
  const key = `${name}\0${value}`;
  let digest = digests.get(key);
  if (digest === undefined) {
    const cost = { N: 1 << 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
    digest = scryptSync(value, `ci-images secret ${name}`, 32, cost).toString("hex");
    digests.set(key, digest);
  }
  return digest;
}

function cureFor(name: string): string {
  return `pulumi config set --secret --path ci-images:secrets.${name} (it asks for the value), or ${environmentPrefix}${name} in the environment`;
}

function complaintsAbout(where: string, name: string, value: unknown): Complaint[] {
  if (!isSecretName(name)) {
    return [
      {
        where,
        key: name,
        found: "not a valid name for a secret",
        allowed: "letters, digits and _, not starting with a digit",
      },
    ];
  }
  // The value itself must not be in the message.
  if (typeof value !== "string")
    return [{ where, key: name, found: `a value of type ${typeof value}`, allowed: "text" }];
  if (value.trim() === "") return [{ where, key: name, found: "an empty value", cure: cureFor(name) }];
  if (value.includes("\0")) return [{ where, key: name, found: "a NUL character in the value", allowed: "text" }];
  return [];
}
