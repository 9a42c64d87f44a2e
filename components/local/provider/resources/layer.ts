// What a builder is after a module, kept for bakes to come. The layer belongs to the cache, and stays when the record is dropped.
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
