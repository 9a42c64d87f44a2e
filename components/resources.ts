// Typed handles on the resources of our own provider that every cloud uses; those of one cloud are in its folder.
import * as pulumi from "@pulumi/pulumi";

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
