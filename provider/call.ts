// Calls the provider's functions in this process, without a plugin.
import type { Call } from "../common/contract.ts";
import { findFunction, parts } from "./registry.ts";
import type { Context } from "./resource.ts";

/** Calls functions with this context. */
export function calling(context: Context): Call {
  return async ({ token }, inputs) => {
    const called = await findFunction(parts, token);
    return (await called.call(inputs, context)) as never;
  };
}
