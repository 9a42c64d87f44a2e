// An SSH key pair for one bake. Its private half is only in the state, as a secret, and is deleted with the bake.
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { KeyPair } from "../../components/shared/contract.ts";
import { implement } from "../resource.ts";

export const keyPair = implement(KeyPair, {
  async create({ comment }) {
    return { id: comment, outputs: { comment, ...makeSshKeyPair(comment) } };
  },
});
