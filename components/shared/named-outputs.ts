// Handles on our own provider's resources, which have no SDK: each is made from its type and outputs.
import * as pulumi from "@pulumi/pulumi";

/** A handle: the class of a resource that takes `Args` and has `Outputs`. */
export type NamedOutputs<Args, Outputs> = new (
  name: string,
  args: Args,
  options?: pulumi.CustomResourceOptions,
) => pulumi.CustomResource & { readonly [Name in keyof Outputs]: pulumi.Output<Outputs[Name]> };

/**
 * Makes a handle.
 * @param type The type without the package: `gce:Lease`. Its implementation is in provider/resources/.
 * @param outputs The names of its outputs: the engine only fills in those that are named when the resource is declared.
 */
export function namedOutputs<Args extends object, Outputs extends object = object>(
  type: string,
  ...outputs: (keyof Outputs & string)[]
): NamedOutputs<Args, Outputs> {
  const empty = Object.fromEntries(outputs.map((name) => [name, undefined]));
  class Handle extends pulumi.CustomResource {
    constructor(name: string, args: Args, options?: pulumi.CustomResourceOptions) {
      super(`ci-images:${type}`, name, { ...empty, ...args }, options);
    }
  }
  return Handle as unknown as NamedOutputs<Args, Outputs>;
}
