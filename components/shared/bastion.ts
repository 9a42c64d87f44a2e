// Reads the stack setting `bastion`, the host that all connections to machines go through, and tries it.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import type { Schema } from "../../provision/recipe/schema.ts";
import { missingSecret, readSecrets } from "../../provision/recipe/secrets.ts";
import { bastion as contract } from "./contract.ts";
import { invoke } from "./invoke.ts";

/** The parsed stack setting `bastion`. */
export interface BastionSettings {
  user: string;
  host: string;
  port: number;
  /** The only host key to accept; by default, the one in known_hosts. */
  hostKey?: string;
  /** A file with the private key to log in with; without a key, the SSH agent is used. */
  privateKeyFile?: string;
  /** The name of a stack secret that holds the private key. */
  privateKeySecret?: string;
}

/** A bastion in the form that `remote.Command` of @pulumi/command and our own resources use. */
export interface Proxy {
  host: string;
  port: number;
  user: string;
  hostKey: string;
  privateKey?: pulumi.Output<string>;
  dialErrorLimit: number;
  /** Seconds. */
  perDialTimeout: number;
}

const addressPattern = "^[^@\\s:/]+@([^@\\s:/\\[\\]]+|\\[[0-9a-fA-F:.]+\\])(:[0-9]{1,5})?$";
const address: Schema = { type: "string", pattern: addressPattern, description: "USER@HOST or USER@HOST:PORT" };

/** The JSON schema of the setting. */
export const bastionSchema: Schema = {
  anyOf: [
    address,
    {
      type: "object",
      additionalProperties: false,
      required: ["address"],
      not: { required: ["privateKeyFile", "privateKeySecret"] },
      properties: {
        address,
        hostKey: {
          type: "string",
          // The command plugin can't use RSA keys: it requests SHA-1 signatures, which servers refuse.
          pattern: "^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*( .*)?$",
          description: "a line of known_hosts without the host, of a kind other than RSA: ssh-ed25519 AAAA...",
        },
        privateKeyFile: { type: "string", minLength: 1 },
        privateKeySecret: { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]*$", description: "a secret's name" },
      },
    },
  ],
};

/** Parses the setting, which has passed the schema. */
export function parseBastion(setting: string | ({ address: string } & Partial<BastionSettings>)): BastionSettings {
  const { address, ...others } = typeof setting === "string" ? { address: setting } : setting;
  const [, user, host, port] = /^(.*)@(\[.*\]|[^:]*)(?::(\d+))?$/.exec(address)!;
  return { ...others, user, host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? 22 : Number(port) };
}

const opened = new WeakMap<BastionSettings, Promise<Proxy>>();

/**
 * The stack's bastion, after a successful login. Call it in `preflight`, when a bake is about to be declared.
 * @returns undefined if the stack names none.
 * @throws UserError if its host key is unknown, or it doesn't let us in.
 */
export async function openBastion({
  bastion,
  secrets,
}: {
  bastion?: BastionSettings;
  secrets?: unknown;
}): Promise<Proxy | undefined> {
  if (bastion === undefined) return undefined;
  const known = opened.get(bastion) ?? open(bastion, secrets);
  opened.set(bastion, known);
  return await known;
}

async function open(bastion: BastionSettings, secrets: unknown): Promise<Proxy> {
  const { user, host, port } = bastion;
  const privateKey = readKey(bastion, secrets);
  const asked = {
    user,
    host,
    port,
    ...(bastion.hostKey && { hostKey: bastion.hostKey }),
    ...(privateKey && { privateKey }),
  };
  const { hostKey } = await invoke(contract, asked);
  const secret = privateKey !== undefined && { privateKey: pulumi.secret(privateKey) };
  return { host, port, user, hostKey, ...secret, dialErrorLimit: 10, perDialTimeout: 15 };
}

function readKey({ privateKeyFile, privateKeySecret }: BastionSettings, secrets: unknown): string | undefined {
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  if (privateKeySecret !== undefined) {
    const found = readSecrets(secrets, process.env)[privateKeySecret];
    if (found === undefined)
      throw new UserError(missingSecret(privateKeySecret, `${where}: ci-images:bastion.privateKeySecret`));
    return found;
  }
  if (privateKeyFile === undefined) return undefined;
  const file = privateKeyFile.startsWith("~/") ? join(homedir(), privateKeyFile.slice(2)) : resolve(privateKeyFile);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const found = `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`;
    throw new UserError({ where, key: "ci-images:bastion.privateKeyFile", found });
  }
}
