// An SSH key pair made for one bake: its private half lives in the state only, as a secret, and dies with the bake.
import ssh2 from "ssh2";
import type { ResourceType } from "../resource.ts";

export interface KeyPairInputs {
  /** What the key is for; the public half's comment. */
  comment: string;
}

export interface KeyPairState extends KeyPairInputs {
  /** One authorized_keys line. */
  publicKey: string;
  /** OpenSSH format, unencrypted. */
  privateKey: string;
}

/** `ci-images:index:KeyPair`: an ed25519 pair, made anew when the comment (which carries the recipe hash) changes. */
export const keyPair: ResourceType<KeyPairInputs, KeyPairState> = {
  token: "ci-images:index:KeyPair",
  inputs: { type: "object", properties: { comment: { type: "string", minLength: 1 } }, required: ["comment"] },
  replaceOn: ["comment"],
  secretOutputs: ["privateKey"],
  async create({ comment }) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    return { id: comment, outputs: { comment, publicKey: pair.public, privateKey: pair.private } };
  },
};
