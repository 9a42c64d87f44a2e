// Calls of our own provider's functions.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";

/**
 * Asks our provider.
 * @param token E.g. `ci-images:local:resolveBase`.
 * @throws UserError with the provider's own words when it refuses.
 */
export async function call<T>(token: string, args: Record<string, unknown>): Promise<T> {
  try {
    return (await pulumi.runtime.invoke(token, args)) as T;
  } catch (error) {
    // The SDK wraps the provider's reason and the (empty) property: `Invoke of 'TOKEN' failed: REASON ()`.
    const refused = /^Invoke of '[^']+' failed: (.*) \(\)$/s.exec((error as Error).message);
    if (refused) throw UserError.relayed(refused[1]);
    throw error;
  }
}
