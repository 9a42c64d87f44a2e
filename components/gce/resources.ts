// Typed handles for our resources of `gce`. contract.ts defines them.
import { ownResource } from "../shared/own-resource.ts";
import * as contract from "./contract.ts";

export const Lease = ownResource(contract.Lease);
export type Lease = InstanceType<typeof Lease>;
export const Reachable = ownResource(contract.Reachable);
export const SealMark = ownResource(contract.SealMark);
export const Stop = ownResource(contract.Stop);
export const Retirement = ownResource(contract.Retirement);
export const DiskDrop = ownResource(contract.DiskDrop);
export const Clearing = ownResource(contract.Clearing);
export const Promotion = ownResource(contract.Promotion);
export const Family = ownResource(contract.Family);
export const ImportLease = ownResource(contract.ImportLease);
export const ImportedImage = ownResource(contract.ImportedImage);
