// Calls our own provider's functions.
import * as pulumi from "@pulumi/pulumi";
import type { AnswerOf, FunctionContract, InputsOf } from "../../common/contract.ts";
import { UserError } from "../../common/user-error.ts";

/**
 * Calls a function of our provider.
 * @throws UserError with the provider's message if it refuses.
 */
export async function invoke<C extends FunctionContract>({ token }: C, args: InputsOf<C>): Promise<AnswerOf<C>> {
  try {
    return (await pulumi.runtime.invoke(token, args)) as AnswerOf<C>;
  } catch (error) {
    // The SDK wraps the provider's reason and the (empty) property: `Invoke of 'TOKEN' failed: REASON ()`.
    const refused = /^Invoke of '[^']+' failed: (.*) \(\)$/s.exec((error as Error).message);
    if (refused) throw UserError.relayed(refused[1]);
    throw error;
  }
}
