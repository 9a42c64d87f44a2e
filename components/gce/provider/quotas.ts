// Checks that a project's quotas allow one more builder, so that a bake fails at the start and not half-way.
// https://cloud.google.com/compute/resource-usage describes the quotas; the API's names are in
// https://cloud.google.com/compute/docs/reference/rest/v1/regions (quotas[].metric).
import { UserError, type Complaint } from "../../../common/user-error.ts";
import type { Compute } from "./compute.ts";

/** A quota, as the API returns it. */
interface Quota {
  metric: string;
  limit: number;
  usage: number;
}

/** What one builder needs. */
export interface Need {
  zone: string;
  machineType: string;
  /** Processors of the machine type. */
  cpus: number;
  /** GB. */
  diskSize: number;
  diskType: string;
  spot: boolean;
  publicAddress: boolean;
  firewall: boolean;
}

/**
 * Refuses if a quota of the region or the project is too small. A quota that the API doesn't report is not checked.
 * @throws UserError that names every quota that is too small.
 */
export async function refuseWithoutRoom(compute: Compute, need: Need): Promise<void> {
  const region = need.zone.replace(/-[a-z]+$/, "");
  const [inRegion, inProject] = await Promise.all([
    compute.find<{ quotas?: Quota[] }>(`regions/${region}`),
    compute.find<{ quotas?: Quota[] }>(`projects/${compute.project}`),
  ]);
  const short = [
    ...shortages(inRegion?.quotas ?? [], regional(need, inRegion?.quotas ?? []), `region ${region}`),
    ...shortages(inProject?.quotas ?? [], { FIREWALLS: need.firewall ? 2 : 0, IMAGES: 1 }, "the whole project"),
  ].map((complaint) => ({ ...complaint, where: `Compute Engine, project ${compute.project}, ${complaint.where}` }));
  if (short.length > 0) throw new UserError(...short);
}

/** What a builder uses of the region's quotas, by metric. */
function regional(need: Need, quotas: readonly Quota[]): Record<string, number> {
  const limitOf = (metric: string) => quotas.find((quota) => quota.metric === metric)?.limit;
  const series = need.machineType.split("-")[0].toUpperCase();
  // Older series share the quota CPUS; E2 counts under E2_CPUS or CPUS. Newer ones have their own quota, or
  // CPUS_PER_VM_FAMILY, which this API doesn't report.
  const family = `${series}_CPUS`;
  const older = ["N1", "E2", "F1", "G1", "CUSTOM"].includes(series) ? "CPUS" : undefined;
  const own = limitOf(family) === undefined ? older : family;
  const regular = family === "E2_CPUS" && own !== undefined ? roomier(quotas, own, "CPUS") : own;
  // Spot machines have their own quota only if the project was given one.
  const cpus = need.spot && (limitOf("PREEMPTIBLE_CPUS") ?? 0) > 0 ? "PREEMPTIBLE_CPUS" : regular;
  const disks: Record<string, string> = { "pd-standard": "DISKS_TOTAL_GB" };
  const disk = disks[need.diskType] ?? (need.diskType.startsWith("pd-") ? "SSD_TOTAL_GB" : undefined);
  return {
    ...(cpus !== undefined && { [cpus]: need.cpus }),
    INSTANCES: 1,
    IN_USE_ADDRESSES: need.publicAddress ? 1 : 0,
    ...(disk !== undefined && { [disk]: need.diskSize }),
  };
}

/** The quota with more room. The usage counts under one of two names, and the other quota doesn't apply. */
function roomier(quotas: readonly Quota[], ...metrics: [string, string]): string {
  const room = (metric: string) =>
    quotas
      .filter((quota) => quota.metric === metric)
      .map(({ limit, usage }) => (limit < 0 ? Infinity : limit - usage))[0];
  const [one, other] = metrics;
  return (room(one) ?? 0) >= (room(other) ?? 0) ? one : other;
}

function shortages(quotas: readonly Quota[], needs: Readonly<Record<string, number>>, where: string): Complaint[] {
  return quotas.flatMap(({ metric, limit, usage }) => {
    const needed = needs[metric] ?? 0;
    if (needed === 0 || limit < 0 || usage + needed <= limit) return [];
    const found = `${usage} of ${limit} are in use, and a builder needs ${needed}`;
    const cure =
      "raise the quota or free some (https://console.cloud.google.com/iam-admin/quotas); `./ci-images sweep` lists our leftovers";
    return [{ where, key: `quota ${metric}`, found, cure }];
  });
}
