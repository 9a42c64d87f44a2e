// The small cloud's part of the plugin.
import { answer } from "../../../../provider/resource.ts";
import * as contract from "../contract.ts";

const key = answer(contract.key, async () => ({ key: "brass" }));

const sweep = answer(contract.sweep, async ({ drawers, key: opens, stack }) => ({
  leftovers: drawers.map((place) => ({ kind: "sheet", name: `of ${stack}`, place, reason: `found by ${opens}` })),
}));

export const resources = [];
export const functions = [key, sweep];
