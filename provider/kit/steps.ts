// Steps of the life cycle that act once. Nothing to delete: their records are dropped with the builder's by the `pulumi
// up` after the bake.
import type { InputsOf, ResourceContract, StateOf } from "../../common/contract.ts";
import { implement, type Context, type ResourceType } from "../resource.ts";

/**
 * Makes a step.
 * @param idOf Identifies the machine or image that it acts on.
 */
export function step<C extends ResourceContract>(
  contract: C,
  idOf: (inputs: InputsOf<C>) => string,
  act: (inputs: InputsOf<C>, context: Context) => Promise<unknown>,
): ResourceType<InputsOf<C>, StateOf<C>> {
  return implement(contract, {
    async create(inputs, context) {
      await act(inputs, context);
      return { id: idOf(inputs), outputs: inputs as StateOf<C> };
    },
  });
}
