// Contracts of the small cloud's functions.
import * as v from "valibot";
import { functionContract } from "../../../common/contract.ts";

export const key = functionContract("ci-images:paper:key", { inputs: {}, answer: { key: v.string() } });

export const sweep = functionContract("ci-images:paper:sweep", {
  inputs: { drawers: v.array(v.string()), key: v.string(), stack: v.string() },
  answer: {
    leftovers: v.array(v.object({ kind: v.string(), name: v.string(), place: v.string(), reason: v.string() })),
  },
});
