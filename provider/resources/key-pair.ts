// An SSH key pair made for one bake: its private half lives in the state only, as a secret, and dies with the bake.
import { makeSshKeyPair, type SshKeyPair } from "../../common/ssh-key-pair.ts";
import type { ResourceType } from "../resource.ts";

export interface KeyPairInputs {
  /** What the key is for; the public half's comment. */
  comment: string;
}

export type KeyPairState = KeyPairInputs & SshKeyPair;

/** `ci-images:index:KeyPair`: an ed25519 pair, made anew when the comment (which carries the recipe hash) changes. */
export const keyPair: ResourceType<KeyPairInputs, KeyPairState> = {
  token: "ci-images:index:KeyPair",
  inputs: { type: "object", properties: { comment: { type: "string", minLength: 1 } }, required: ["comment"] },
  replaceOn: ["comment"],
  secretOutputs: ["privateKey"],
  async create({ comment }) {
    return { id: comment, outputs: { comment, ...makeSshKeyPair(comment) } };
  },
};
