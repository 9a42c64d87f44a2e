// Calls the provider's functions in this process, without a plugin.
import type { Call } from "../common/contract.ts";
import { functions } from "./registry.ts";
import type { Context, FunctionType } from "./resource.ts";

/** Calls functions with this context. */
export function calling(context: Context): Call {
  return async ({ token }, inputs) => {
    const called = (functions as readonly FunctionType<object, object>[]).find((each) => each.token === token);
    if (!called) throw new Error(`our provider has no function ${token}`);
    return (await called.call(inputs, context)) as never;
  };
}
