// All resource types of stack `gce`.
import { gceClearing } from "./clearing.ts";
import { gceFamily, gcePromotion } from "./image-marks.ts";
import { gceImportedImage, gceImportLease } from "./imported-image.ts";
import { gceLease } from "./lease.ts";
import { gceReachable } from "./reachable.ts";
import { gceDiskDrop, gceRetirement, gceSealMark, gceStop } from "./steps.ts";

export const gceResources = [
  gceLease,
  gceReachable,
  gceSealMark,
  gceStop,
  gceClearing,
  gceDiskDrop,
  gceRetirement,
  gcePromotion,
  gceFamily,
  gceImportLease,
  gceImportedImage,
];
