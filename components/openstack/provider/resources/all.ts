// Every resource type and function for OpenStack.
import { regions, resolveBase, survey } from "../functions/lookups.ts";
import { preflight } from "../functions/preflight.ts";
import { sweep } from "../functions/sweep.ts";
import { importLease } from "./import-lease.ts";
import { lease } from "./lease.ts";
import { reachable } from "./reachable.ts";
import { serverImage } from "./server-image.ts";
import { sharing } from "./sharing.ts";
import { imageLook, promotion, retirement, sealMark, stop } from "./steps.ts";

export const rackspaceResources = [
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
export const rackspaceFunctions = [regions, resolveBase, survey, preflight, sweep];
