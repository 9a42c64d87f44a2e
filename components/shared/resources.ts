// Typed handles on the resources of our own provider that every cloud uses; those of one cloud are in its folder.
import type { Input } from "@pulumi/pulumi";
import type { Connection } from "../cloud.ts";
import { ownResource } from "./own-resource.ts";
import type { Power } from "../stages.ts";

/** An ed25519 key pair; see provider/resources/key-pair.ts. The comment says what it is for; another comment is another key. */
export const KeyPair = ownResource<{ comment: Input<string> }, { publicKey: string; privateKey: string }>(
  "index:KeyPair",
  "publicKey",
  "privateKey",
);
export type KeyPair = InstanceType<typeof KeyPair>;

/** A port of this computer that leads to a machine; see provider/resources/forward.ts. */
export const Forward = ownResource<{ command: Input<string[]> }, { host: string; port: number }>(
  "index:Forward",
  "host",
  "port",
);
export type Forward = InstanceType<typeof Forward>;

export interface LoginArgs extends Connection {
  /** Makes one connection to the machine, where no address does. */
  tunnel?: Input<string[]>;
  /** The worker image that the machine belongs to. */
  worker: string;
  /** The recipe hash. */
  recipe: string;
  power: Power;
}

/** How to log in to a builder, for people and the command line; see provider/resources/login.ts. */
export const Login = ownResource<LoginArgs>("index:Login");

/** How commands and uploads connect. */
type Dialled = Connection & { dialErrorLimit: number; perDialTimeout: number };

/** A machine that comes back from a reboot; see provider/resources/return.ts. */
export const Return = ownResource<{ connection: Dialled; triggers: Input<string>[] }>("index:Return");

export interface UploadArgs {
  connection: Dialled;
  source: string;
  destination: string;
  sha256: string;
  triggers: Input<string>[];
}

/** A file or folder of this computer on a builder; see provider/resources/upload.ts. */
export const Upload = ownResource<UploadArgs>("index:Upload");
