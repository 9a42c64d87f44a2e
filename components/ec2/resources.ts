// Typed handles for our resources of `ec2`. contract.ts defines them.
import { ownResource } from "../shared/own-resource.ts";
import * as contract from "./contract.ts";

export const Lease = ownResource(contract.Lease);
export type Lease = InstanceType<typeof Lease>;
export const Market = ownResource(contract.Market);
export const Reachable = ownResource(contract.Reachable);
export const ImageLease = ownResource(contract.ImageLease);
export type ImageLease = InstanceType<typeof ImageLease>;
export const FailedImages = ownResource(contract.FailedImages);
export const ImageAttributes = ownResource(contract.ImageAttributes);
export type ImageAttributes = InstanceType<typeof ImageAttributes>;
export const Promotion = ownResource(contract.Promotion);
export const ImportedImage = ownResource(contract.ImportedImage);
export type ImportedImage = InstanceType<typeof ImportedImage>;
export const AdoptedImage = ownResource(contract.AdoptedImage);

/** Steps of the life cycle that act once on a machine. */
export const steps = {
  SealMark: ownResource(contract.SealMark),
  Stop: ownResource(contract.Stop),
  Retirement: ownResource(contract.Retirement),
};
