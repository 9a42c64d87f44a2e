// Every resource type and function of the provider: a new one is written in its folder and named here.
import { bastion } from "./functions/bastion.ts";
import { ec2Functions } from "./functions/ec2.ts";
import { gceFunctions } from "./functions/gce.ts";
import { describeImage, findBaked, findImages, preflight, resolveBaseFunction } from "./functions/local.ts";
import { localSweep } from "./functions/local-sweep.ts";
import { tunnelTools } from "./functions/tunnel-tools.ts";
import { ownAddress } from "./functions/own-address.ts";
import { ec2Resources } from "./resources/ec2/all.ts";
import { gceResources } from "./resources/gce/all.ts";
import { keyPair } from "./resources/key-pair.ts";
import { forward } from "./resources/forward.ts";
import { login } from "./resources/login.ts";
import { returned } from "./resources/return.ts";
import { upload } from "./resources/upload.ts";
import { baseImage } from "./resources/local/base-image.ts";
import { builder } from "./resources/local/builder.ts";
import { image } from "./resources/local/image.ts";
import { lease } from "./resources/local/lease.ts";
import { promotion, retirement, sealMark, stop } from "./resources/local/steps.ts";
import { rackspaceFunctions, rackspaceResources } from "./resources/rackspace/all.ts";
import { virtualMachine } from "./resources/local/virtual-machine.ts";

export const resources = [
  keyPair,
  login,
  forward,
  upload,
  returned,
  baseImage,
  lease,
  builder,
  sealMark,
  stop,
  image,
  retirement,
  virtualMachine,
  promotion,
  ...ec2Resources,
  ...gceResources,
  ...rackspaceResources,
];
export const functions = [
  resolveBaseFunction,
  findImages,
  findBaked,
  describeImage,
  preflight,
  localSweep,
  ownAddress,
  bastion,
  tunnelTools,
  ...ec2Functions,
  ...gceFunctions,
  ...rackspaceFunctions,
];
