// Every resource type of stack `ec2`.
import { adoptedImage, ec2Promotion, imageAttributes, snapshotSweep } from "./image.ts";
import { ec2Lease } from "./lease.ts";
import { market } from "./market.ts";
import { ec2Reachable, ec2Retirement, ec2SealMark, ec2Stop } from "./steps.ts";

export const ec2Resources = [
  ec2Lease,
  market,
  ec2Reachable,
  ec2SealMark,
  ec2Stop,
  ec2Retirement,
  snapshotSweep,
  imageAttributes,
  ec2Promotion,
  adoptedImage,
];
