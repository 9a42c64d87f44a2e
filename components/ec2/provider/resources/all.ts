// Every resource type of stack `ec2`.
import { failedImages, imageLease } from "./image-lease.ts";
import { adoptedImage, ec2Promotion, imageAttributes } from "./image.ts";
import { importedImage } from "./imported-image.ts";
import { ec2Lease } from "./lease.ts";
import { market } from "./market.ts";
import { ec2Reachable } from "./reachable.ts";
import { ec2Retirement, ec2SealMark, ec2Stop } from "./steps.ts";

export const ec2Resources = [
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
