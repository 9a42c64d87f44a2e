// Quotas of the fake Compute API: limits of regions and projects, and their usage.
import type { GceApi } from "../gce-api.ts";
import { Refused, type Route } from "./http.ts";
import type { Project } from "./state.ts";

/** The routes that report quotas. */
export function quotaRoutes(api: GceApi): Route[] {
  return [
    ["GET", /^projects\/([^/]+)$/, (_call, id) => ({ name: id, quotas: quotasOf(api.project(id), globals(api, id)) })],
    [
      "GET",
      /^projects\/([^/]+)\/regions\/([^/]+)$/,
      (_call, id, name) => ({ name, quotas: quotasOf(api.project(id), regionals(api, id, name)) }),
    ],
  ];
}

/** Checks that one more machine fits. @throws Refused with the API's message if a quota is exceeded. */
export function refuseOverQuota(api: GceApi, project: Project, zone: string, machineType: string): void {
  const region = zone.replace(/-[a-z]+$/, "");
  const needs: Record<string, number> = { CPUS: cpusOf(api, machineType), INSTANCES: 1 };
  for (const { metric, limit, usage } of quotasOf(project, regionals(api, project.id, region))) {
    if (usage + (needs[metric] ?? 0) <= limit) continue;
    throw new Refused(403, "quotaExceeded", `Quota '${metric}' exceeded.  Limit: ${limit}.0 in region ${region}.`);
  }
}

function quotasOf({ quotas }: Project, usages: Record<string, number>) {
  return Object.entries(usages).map(([metric, usage]) => ({ metric, limit: quotas[metric] ?? 1000, usage }));
}

function globals(api: GceApi, id: string) {
  const { images, firewalls } = api.project(id);
  return { IMAGES: images.size, FIREWALLS: firewalls.size };
}

function regionals(api: GceApi, id: string, region: string) {
  const { instances, disks } = api.project(id);
  const there = [...instances.values()].filter(({ zone }) => zone.split("/").at(-1)!.startsWith(`${region}-`));
  const running = there.filter(({ status }) => status !== "TERMINATED");
  return {
    CPUS: running.reduce((sum, { machineType }) => sum + cpusOf(api, machineType), 0),
    INSTANCES: there.length,
    IN_USE_ADDRESSES: running.filter(({ networkInterfaces }) => networkInterfaces[0]?.accessConfigs).length,
    ...("E2_CPUS" in api.project(id).quotas && { E2_CPUS: 0 }),
    SSD_TOTAL_GB: [...disks.values()].reduce((sum, { sizeGb }) => sum + Number(sizeGb), 0),
  };
}

function cpusOf(api: GceApi, machineType: string): number {
  return api.machineTypes.find(({ name }) => machineType.endsWith(`/${name}`))?.guestCpus ?? 0;
}
