// Typed handles for the resources of `local`. contract.ts defines them.
import { ownResource } from "../shared/own-resource.ts";
import * as contract from "./contract.ts";

export const BaseImage = ownResource(contract.BaseImage);
export const Lease = ownResource(contract.Lease);
export type Lease = InstanceType<typeof Lease>;
export const Builder = ownResource(contract.Builder);
export type Builder = InstanceType<typeof Builder>;
export const VirtualMachine = ownResource(contract.VirtualMachine);
export type VirtualMachine = InstanceType<typeof VirtualMachine>;
export const Image = ownResource(contract.Image);
export type Image = InstanceType<typeof Image>;
export const Layer = ownResource(contract.Layer);
export const Promotion = ownResource(contract.Promotion);

/** Steps of the life cycle that act once on a machine. */
export const steps = {
  SealMark: ownResource(contract.SealMark),
  Stop: ownResource(contract.Stop),
  Retirement: ownResource(contract.Retirement),
};
