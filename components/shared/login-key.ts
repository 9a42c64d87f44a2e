// The login key of a bake's machines: made for the bake and deleted with it, or the user's own, from files named in
// environment variables.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import ssh2 from "ssh2";
import { UserError } from "../../common/user-error.ts";
import { KeyPair } from "./resources.ts";

/** A key pair that the user brings. */
export interface OwnKey {
  /** Its name in the cloud. */
  name?: string;
  /** One authorized_keys line. */
  publicKey: string;
  /** OpenSSH or PEM format, unencrypted. */
  privateKey: string;
}

/** The environment variables that a cloud reads a key from. */
export interface KeyVariables {
  /** Holds the key pair's name in the cloud: `AWS_KEY_PAIR`. */
  name?: string;
  /** Holds the path of the private half: `AWS_KEY_FILENAME`. */
  privateKey: string;
  /**
   * Holds the path of the public half: `RACKSPACE_PUBLIC_KEY_FILENAME`. By default, it is derived from the private
   * half.
   */
  publicKey?: string;
}

/** A machine's login key. */
export interface LoginKey {
  publicKey: pulumi.Output<string>;
  /** A secret. */
  privateKey: pulumi.Output<string>;
}

/**
 * Reads the user's own key.
 * @param environment Usually `process.env`.
 * @returns undefined if no variable is set: then each bake gets its own key.
 * @throws UserError that names variable and file if only some are set, a file can't be read, or a key can't be used.
 */
export function readOwnKey(variables: KeyVariables, environment: NodeJS.ProcessEnv): OwnKey | undefined {
  const wanted = Object.values(variables).filter((name) => name !== undefined) as string[];
  const missing = wanted.filter((name) => !environment[name]);
  if (missing.length === wanted.length) return undefined;
  if (missing.length > 0) {
    const found = `not set, but ${wanted.filter((name) => environment[name]).join(" and ")} is`;
    const cure = "set all of them to use your own key, or none to have one made for each bake";
    throw new UserError({ where: `environment variable ${missing.join(", ")}`, found, cure });
  }
  const privateKey = readKeyFile(variables.privateKey, environment);
  const parsed = parseKey(variables.privateKey, environment, privateKey);
  const publicKey = lineOf(parsed);
  if (variables.publicKey !== undefined) {
    const given = parseKey(variables.publicKey, environment, readKeyFile(variables.publicKey, environment));
    if (lineOf(given) !== publicKey) {
      const found = `is not the public half of the key in ${variables.privateKey}`;
      throw new UserError({ where: place(variables.publicKey, environment), found });
    }
  }
  return { publicKey, privateKey, ...(variables.name && { name: environment[variables.name] }) };
}

/**
 * The key for one machine: the user's own, or a pair declared here.
 * @param prefix Prefix of the logical name.
 */
export function declareLoginKey(prefix: string, own: OwnKey | undefined, parent: pulumi.Resource): LoginKey {
  if (own) return { publicKey: pulumi.output(own.publicKey), privateKey: pulumi.secret(own.privateKey) };
  return new KeyPair(`${prefix}-login-key`, { comment: `ci-images ${prefix}` }, { parent });
}

/** The host key that a machine is given. */
export function declareHostKey(prefix: string, parent: pulumi.Resource): KeyPair {
  return new KeyPair(`${prefix}-host-key`, { comment: `ci-images host ${prefix}` }, { parent });
}

function readKeyFile(variable: string, environment: NodeJS.ProcessEnv): string {
  try {
    return readFileSync(pathOf(variable, environment), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError({ where: place(variable, environment), found: `cannot be read (${code})` });
  }
}

function parseKey(variable: string, environment: NodeJS.ProcessEnv, text: string): ssh2.ParsedKey {
  const parsed = ssh2.utils.parseKey(text) as ssh2.ParsedKey | ssh2.ParsedKey[] | Error;
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (!(key instanceof Error) && key) return key;
  const encrypted = /passphrase|encrypted/i.test(String(key));
  throw new UserError({
    where: place(variable, environment),
    found: encrypted ? "a key with a passphrase" : "no SSH key",
    allowed: "an SSH key in OpenSSH or PEM format, without a passphrase",
    cure: "or unset the variables, to have a key made for each bake",
  });
}

function lineOf(key: ssh2.ParsedKey): string {
  return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}

function place(variable: string, environment: NodeJS.ProcessEnv): string {
  return `${pathOf(variable, environment)} (environment variable ${variable})`;
}

function pathOf(variable: string, environment: NodeJS.ProcessEnv): string {
  const path = environment[variable]!;
  return path.startsWith("~/") ? join(homedir(), path.slice(2)) : resolve(path);
}
