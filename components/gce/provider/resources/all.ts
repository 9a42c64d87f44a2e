// All resource types of stack `gce`.
import { gceArrival } from "./arrival.ts";
import { gceClearing } from "./clearing.ts";
import { gceFamily, gcePromotion } from "./image-marks.ts";
import { gceImportedImage, gceImportLease } from "./imported-image.ts";
import { gceLease } from "./lease.ts";
import { gceDiskDrop, gceRetirement, gceSealMark, gceTrialRetirement } from "./steps.ts";

export const gceResources = [
  gceLease,
  gceArrival,
  gceSealMark,
  gceRetirement,
  gceClearing,
  gceDiskDrop,
  gceTrialRetirement,
  gcePromotion,
  gceFamily,
  gceImportLease,
  gceImportedImage,
];
