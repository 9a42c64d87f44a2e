// Every resource type and function for OpenStack. Their tokens say `rackspace`.
import { regions, resolveBase, survey } from "./functions/lookups.ts";
import { preflight } from "./functions/preflight.ts";
import { sweep } from "./functions/sweep.ts";
import { importLease } from "./resources/import-lease.ts";
import { lease } from "./resources/lease.ts";
import { reachable } from "./resources/reachable.ts";
import { serverImage } from "./resources/server-image.ts";
import { sharing } from "./resources/sharing.ts";
import { imageLook, promotion, retirement, sealMark, stop } from "./resources/steps.ts";

export const resources = [
  lease,
  importLease,
  reachable,
  sealMark,
  stop,
  serverImage,
  retirement,
  imageLook,
  promotion,
  sharing,
];
export const functions = [regions, resolveBase, survey, preflight, sweep];
