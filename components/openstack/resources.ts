// Typed handles for our resources of `openstack`. contract.ts defines them.
import { ownResource } from "../shared/own-resource.ts";
import * as contract from "./contract.ts";

export const Lease = ownResource(contract.Lease);
export type Lease = InstanceType<typeof Lease>;
export const ImportLease = ownResource(contract.ImportLease);
export const Reachable = ownResource(contract.Reachable);
export const ServerImage = ownResource(contract.ServerImage);
export type ServerImage = InstanceType<typeof ServerImage>;
export const ImageLook = ownResource(contract.ImageLook);
export type ImageLook = InstanceType<typeof ImageLook>;
export const Promotion = ownResource(contract.Promotion);
export const Sharing = ownResource(contract.Sharing);

/** Steps of the life cycle that act once on a server. */
export const steps = {
  SealMark: ownResource(contract.SealMark),
  Stop: ownResource(contract.Stop),
  Retirement: ownResource(contract.Retirement),
};
