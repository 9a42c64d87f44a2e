// Every resource type and function of stack `gce`.
import { gceAccount, gcePreflight, gceResolveBase, gceSurvey } from "./functions/lookups.ts";
import { gceSweep } from "./functions/sweep.ts";
import { gceClearing } from "./resources/clearing.ts";
import { gceFamily, gcePromotion } from "./resources/image-marks.ts";
import { gceImportedImage, gceImportLease } from "./resources/imported-image.ts";
import { gceLease } from "./resources/lease.ts";
import { gceReachable } from "./resources/reachable.ts";
import { gceDiskDrop, gceRetirement, gceSealMark, gceStop } from "./resources/steps.ts";

export const resources = [
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
export const functions = [gceAccount, gceResolveBase, gceSurvey, gcePreflight, gceSweep];
