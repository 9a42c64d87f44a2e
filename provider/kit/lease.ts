// The common part of machines' leases. A lease is made before its machine and dropped after it. Dropping it makes sure
// that the machine is gone, whatever happened in between. Machines are declared with `deletedWith` their lease.
import { randomBytes } from "node:crypto";
import type * as v from "valibot";
import type { InputsOf, ResourceContract, StateOf } from "../../common/contract.ts";
import { implement, type Context, type ResourceType } from "../resource.ts";

/**
 * A contract with the inputs and outputs of every lease: `leaseInputs` and `leaseOutputs` of
 * components/shared/contract.ts.
 */
type LeaseContract = ResourceContract<
  { prefix: v.GenericSchema<string>; lifetime: v.GenericSchema<number> },
  { machine: v.GenericSchema<string>; deadline: v.GenericSchema<string> }
>;

/** The cloud's part of its leases. */
interface LeaseBehaviour<I extends object, S extends object> {
  /**
   * Removes machines of the same owner that earlier bakes left, whatever their recipe, before a new one is made.
   * @returns each one, once it is gone.
   */
  removeEarlier(inputs: I, context: Context): AsyncIterable<string>;
  /**
   * Called before a machine is made at a stage before `image`. The stack then declares its finished images, so they
   * must no longer go with the machines that they were made from.
   */
  disownImages?(inputs: I, context: Context): Promise<void>;
  /**
   * Whether the machine is useless although its lease has not expired: gone, partly sealed, or sealed although people
   * should log in to it.
   */
  isUseless(state: S, wanted?: I): Promise<boolean>;
  /** Removes the machine, and an unproven image made from it. No-op for what no longer exists. */
  end(state: S, context: Context): Promise<void>;
  /** The machine's name, if the cloud has rules for names. */
  readonly nameOf?: (prefix: string, suffix: string) => string;
  /** Additional properties of the state. */
  outputs?(inputs: I, deadline: Date): object;
}

/** The lease of a cloud's machines. */
export function leaseOf<C extends ResourceContract>(
  contract: C & LeaseContract,
  cloud: LeaseBehaviour<InputsOf<C>, StateOf<C>>,
): ResourceType<InputsOf<C>, StateOf<C>> {
  return implement<C>(contract, {
    async drift(_id, state, wanted) {
      const { deadline } = state as unknown as { deadline: string };
      return Date.parse(deadline) < Date.now() || (await cloud.isUseless(state, wanted)) ? "replace" : "none";
    },
    async create(inputs, context) {
      if ((inputs as { open?: boolean }).open) await cloud.disownImages?.(inputs, context);
      for await (const removed of cloud.removeEarlier(inputs, context)) {
        context.progress(`removed ${removed}, left by an earlier bake`);
      }
      const { machine, deadline } = newLease(inputs as unknown as LeaseTerms, cloud.nameOf);
      const more = cloud.outputs?.(inputs, deadline);
      const outputs = { ...inputs, machine, deadline: deadline.toISOString(), ...more };
      return { id: machine, outputs: outputs as unknown as StateOf<C> };
    },
    async delete(_id, state, context) {
      await cloud.end(state, context);
    },
  });
}

interface LeaseTerms {
  prefix: string;
  /** Seconds. */
  lifetime: number;
}

/** A new machine's unique name, and its deadline. */
export function newLease(
  { prefix, lifetime }: LeaseTerms,
  nameOf = (prefix: string, suffix: string) => `${prefix}-${suffix}`,
): { machine: string; deadline: Date } {
  return {
    machine: nameOf(prefix, randomBytes(3).toString("hex")),
    deadline: new Date(Date.now() + lifetime * 1000),
  };
}
