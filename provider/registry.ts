// Every resource type and function of the provider. Add new ones here.
import { bastion } from "./functions/bastion.ts";
import { ec2Functions } from "../components/ec2/provider/functions/lookups.ts";
import { gceFunctions } from "../components/gce/provider/functions/lookups.ts";
import {
  describeImage,
  findBaked,
  findImages,
  preflight,
  resolveBaseFunction,
} from "../components/local/provider/functions/lookups.ts";
import { localSweep } from "../components/local/provider/functions/sweep.ts";
import { tunnelTools } from "./functions/tunnel-tools.ts";
import { ownAddress } from "./functions/own-address.ts";
import { ec2Resources } from "../components/ec2/provider/resources/all.ts";
import { gceResources } from "../components/gce/provider/resources/all.ts";
import { keyPair } from "./resources/key-pair.ts";
import { forward } from "./resources/forward.ts";
import { login } from "./resources/login.ts";
import { returned } from "./resources/return.ts";
import { upload } from "./resources/upload.ts";
import { baseImage } from "../components/local/provider/resources/base-image.ts";
import { builder } from "../components/local/provider/resources/builder.ts";
import { image } from "../components/local/provider/resources/image.ts";
import { layer } from "../components/local/provider/resources/layer.ts";
import { findLayers, layersFunction } from "../components/local/provider/functions/layers.ts";
import { lease } from "../components/local/provider/resources/lease.ts";
import { promotion, retirement, sealMark, stop } from "../components/local/provider/resources/steps.ts";
import { rackspaceFunctions, rackspaceResources } from "../components/openstack/provider/resources/all.ts";
import { virtualMachine } from "../components/local/provider/resources/virtual-machine.ts";

export const resources = [
  keyPair,
  login,
  forward,
  upload,
  returned,
  baseImage,
  lease,
  builder,
  layer,
  sealMark,
  stop,
  image,
  retirement,
  virtualMachine,
  promotion,
  ...ec2Resources,
  ...rackspaceResources,
  ...gceResources,
];
export const functions = [
  resolveBaseFunction,
  findImages,
  findBaked,
  describeImage,
  preflight,
  localSweep,
  findLayers,
  layersFunction,
  ownAddress,
  bastion,
  tunnelTools,
  ...ec2Functions,
  ...gceFunctions,
  ...rackspaceFunctions,
];
