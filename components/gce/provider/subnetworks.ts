// Finds the private addresses of machines: the ranges of their subnetwork.
import type { Compute } from "./compute.ts";
import { ComputeError } from "./errors.ts";

interface Network {
  /** URLs, one or more in each region. */
  subnetworks?: string[];
  /** Of a legacy network, which has no subnetworks. */
  IPv4Range?: string;
}

interface Subnetwork {
  ipCidrRange?: string;
}

/** The stack's network and subnetwork: names, or paths if they belong to another project. */
export interface Inside {
  network: string;
  subnetwork?: string;
}

/**
 * CIDR networks that machines of a zone get addresses from. Empty if we may not read them, for example in another
 * project's network.
 */
export async function privateRanges(
  compute: Compute,
  zone: string,
  { network, subnetwork }: Inside,
): Promise<string[]> {
  const region = zone.replace(/-[^-]+$/, "");
  try {
    if (subnetwork !== undefined) {
      const host = /projects\/[^/]+\//.exec(network)?.[0] ?? "";
      return await rangeOf(compute, pathOf(subnetwork, `${host}regions/${region}/subnetworks`));
    }
    const found = await compute.find<Network>(pathOf(network, "global/networks"));
    if (found?.IPv4Range !== undefined) return [found.IPv4Range];
    const here = (found?.subnetworks ?? []).filter((url) => url.includes(`/regions/${region}/`));
    return (await Promise.all(here.map((url) => rangeOf(compute, pathOf(url, ""))))).flat();
  } catch (error) {
    if (error instanceof ComputeError && error.status === 403) return [];
    throw error;
  }
}

async function rangeOf(compute: Compute, path: string): Promise<string[]> {
  const range = (await compute.find<Subnetwork>(path))?.ipCidrRange;
  return range === undefined ? [] : [range];
}

/** A path below the API's version. @param folder The folder of a bare name. */
function pathOf(value: string, folder: string): string {
  const path = /projects\/.*/.exec(value)?.[0];
  if (path !== undefined) return path;
  return value.includes("/") ? value : `${folder}/${value}`;
}
