// Handles on our own provider's resources, which have no SDK: each is made from its contract.
import * as pulumi from "@pulumi/pulumi";
import type { InputsOf, ResourceContract, ValuesOf } from "../../common/contract.ts";

/** A value that may contain outputs of other resources anywhere. */
export type Given<T> = pulumi.Input<Parts<T>>;

type Parts<T> = T extends object ? { [Key in keyof T]: Given<T[Key]> } : T;

/** What this version puts into the state: all inputs and outputs. */
type MadeOf<C extends ResourceContract> = InputsOf<C> & ValuesOf<C["outputs"]>;

/** What a resource is declared with. */
export type ArgsOf<C extends ResourceContract> = { [Name in keyof InputsOf<C>]: Given<InputsOf<C>[Name]> };

/** What a handle is: the class of a resource. */
export type OwnResource<C extends ResourceContract> = new (
  name: string,
  args: ArgsOf<C>,
  options?: pulumi.CustomResourceOptions,
) => pulumi.CustomResource & { readonly [Name in keyof MadeOf<C>]-?: pulumi.Output<MadeOf<C>[Name]> };

/** Makes a handle. */
export function ownResource<C extends ResourceContract>({ token, inputs, outputs }: C): OwnResource<C> {
  // The engine only fills in outputs that are named when the resource is declared.
  const empty = Object.fromEntries(Object.keys({ ...inputs, ...outputs }).map((name) => [name, undefined]));
  class Handle extends pulumi.CustomResource {
    constructor(name: string, args: object, options?: pulumi.CustomResourceOptions) {
      super(token, name, { ...empty, ...args }, options);
    }
  }
  return Handle as unknown as OwnResource<C>;
}
