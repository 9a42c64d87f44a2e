// The small cloud's functions, added to the plugin's own.
import { functions } from "../../../../provider/registry.ts";
import { answer } from "../../../../provider/resource.ts";
import * as contract from "../contract.ts";

const key = answer(contract.key, async () => ({ key: "brass" }));

const sweep = answer(contract.sweep, async ({ drawers, key: opens, stack }) => ({
  leftovers: drawers.map((place) => ({ kind: "sheet", name: `of ${stack}`, place, reason: `found by ${opens}` })),
}));

(functions as unknown[]).push(key, sweep);
