// Makes the typed handles for our own provider's resources from their contracts.
import * as pulumi from "@pulumi/pulumi";
import type { InputsOf, ResourceContract, ValuesOf } from "../../common/contract.ts";

/** A value that may contain outputs of other resources anywhere. */
export type Given<T> = pulumi.Input<Parts<T>>;

type Parts<T> = T extends object ? { [Key in keyof T]: Given<T[Key]> } : T;

/** All inputs and outputs that this version puts into the state. */
type MadeOf<C extends ResourceContract> = InputsOf<C> & ValuesOf<C["outputs"]>;

/** The arguments of a resource's declaration. */
export type ArgsOf<C extends ResourceContract> = { [Name in keyof InputsOf<C>]: Given<InputsOf<C>[Name]> };

/** A handle: the class of a resource. */
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
