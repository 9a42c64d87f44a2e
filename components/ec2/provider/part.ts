// Every resource type and function of stack `ec2`.
import { ec2InstanceConnect } from "./functions/instance-connect.ts";
import { ec2Preflight, ec2Region, ec2ResolveBase } from "./functions/lookups.ts";
import { ec2Survey } from "./functions/survey.ts";
import { ec2Sweep } from "./functions/sweep.ts";
import { failedImages, imageLease } from "./resources/image-lease.ts";
import { adoptedImage, ec2Promotion, imageAttributes } from "./resources/image.ts";
import { importedImage } from "./resources/imported-image.ts";
import { ec2Lease } from "./resources/lease.ts";
import { market } from "./resources/market.ts";
import { ec2Reachable } from "./resources/reachable.ts";
import { ec2Retirement, ec2SealMark, ec2Stop } from "./resources/steps.ts";

export const resources = [
  ec2Lease,
  market,
  ec2Reachable,
  ec2SealMark,
  ec2Stop,
  ec2Retirement,
  imageLease,
  failedImages,
  imageAttributes,
  ec2Promotion,
  adoptedImage,
  importedImage,
];
export const functions = [ec2Region, ec2ResolveBase, ec2Survey, ec2Preflight, ec2InstanceConnect, ec2Sweep];
