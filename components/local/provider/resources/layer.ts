// A builder's state after a module, kept for later bakes. Deleting the resource keeps the layer in the cache.
import { implement } from "../../../../provider/resource.ts";
import { Layer } from "../../contract.ts";
import { keepLayer } from "../layers/keep-layer.ts";

export const layer = implement(Layer, {
  async create(inputs, { progress, signal }) {
    const { machine, prefix, modules, interrupted } = inputs;
    if (!interrupted) await keepLayer({ machine, prefix, modules }, progress, signal);
    return { id: prefix, outputs: inputs };
  },
});
