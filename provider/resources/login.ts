// Records in the state how to log in to a bake's machine, for people and the command line, even after a failed bake.
// The record is dropped with the machine's records.
import { Login } from "../../components/shared/contract.ts";
import { implement } from "../resource.ts";

export const login = implement(Login, {
  async create(inputs) {
    return { id: `${inputs.worker}-${inputs.recipe.slice(0, 8)}`, outputs: inputs };
  },
  async update(_id, _state, inputs) {
    return inputs;
  },
});
