// Typed handles on the resources of our own provider that every cloud uses; those of one cloud are in its folder.
import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "./cloud.ts";
import type { Power } from "./stages.ts";

/** An ed25519 key pair; see provider/resources/key-pair.ts. */
export class KeyPair extends pulumi.CustomResource {
  declare readonly publicKey: pulumi.Output<string>;
  declare readonly privateKey: pulumi.Output<string>;

  /** @param args.comment What the key is for; another comment is another key. */
  constructor(name: string, args: { comment: pulumi.Input<string> }, options?: pulumi.CustomResourceOptions) {
    const outputs = { publicKey: undefined, privateKey: undefined };
    super("ci-images:index:KeyPair", name, { ...outputs, ...args }, options);
  }
}

export interface LoginArgs extends Connection {
  /** The worker image that the machine belongs to. */
  worker: string;
  /** The recipe hash. */
  recipe: string;
  power: Power;
}

/** How to log in to a builder, for people and the command line; see provider/resources/login.ts. */
export class Login extends pulumi.CustomResource {
  constructor(name: string, args: LoginArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:index:Login", name, { ...args }, options);
  }
}
