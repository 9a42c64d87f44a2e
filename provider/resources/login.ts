// How to log in to a bake's machine, kept in the state for people and the project's command line, on every cloud, even
// after a failed bake. Makes nothing; the record is dropped with the machine's records.
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
