// An SSH key pair made for one bake: its private half lives in the state only, as a secret, and dies with the bake.
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { KeyPair } from "../../components/shared/contract.ts";
import { implement } from "../resource.ts";

export const keyPair = implement(KeyPair, {
  async create({ comment }) {
    return { id: comment, outputs: { comment, ...makeSshKeyPair(comment) } };
  },
});
