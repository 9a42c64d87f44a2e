// Typed handles on the resources of our own provider that every cloud uses; those of one cloud are in its folder.
import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "./cloud.ts";

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

export interface RebootArgs {
  connection: Connection;
  /** Reboots again when one of them changes. */
  triggers: pulumi.Input<pulumi.Input<string>[]>;
  /** Seconds until the machine must be back. */
  deadline: number;
}

/** A reboot that is waited for; see provider/resources/reboot.ts. */
export class Reboot extends pulumi.CustomResource {
  constructor(name: string, args: RebootArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:index:Reboot", name, { ...args }, options);
  }
}
