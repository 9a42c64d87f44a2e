// Every resource type and function of stack `local`.
import { findLayers, layersFunction } from "./functions/layers.ts";
import { describeImage, findBaked, findImages, preflight, resolveBaseFunction } from "./functions/lookups.ts";
import { localSweep } from "./functions/sweep.ts";
import { baseImage } from "./resources/base-image.ts";
import { builder } from "./resources/builder.ts";
import { image } from "./resources/image.ts";
import { layer } from "./resources/layer.ts";
import { lease } from "./resources/lease.ts";
import { promotion, retirement, sealMark, stop } from "./resources/steps.ts";
import { virtualMachine } from "./resources/virtual-machine.ts";

export const resources = [
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
];
