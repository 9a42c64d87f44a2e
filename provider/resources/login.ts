// How to log in to a machine of a bake, kept in the state for people and the project's command line: whatever the cloud, and
// also while a bake has failed. Nothing is made; the record goes when the machine's records go.
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
