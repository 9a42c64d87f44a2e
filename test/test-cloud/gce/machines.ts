// Instances and disks of the fake Compute API.
import { links, type GceApi } from "../gce-api.ts";
import { existing } from "./images.ts";
import { refuseOverQuota } from "./quotas.ts";
import { matches, notFound, page, Refused, type Call, type Route } from "./http.ts";
import { newFingerprint, type AttachedDisk, type Disk, type Instance, type Project } from "./state.ts";

/** The routes. @param api Has the state and runs operations. */
export function machineRoutes(api: GceApi): Route[] {
  const zone = String.raw`^projects/([^/]+)/zones/([^/]+)`;
  const at = (pattern: string) => new RegExp(`${zone}/${pattern}$`);
  const instance = (project: string, place: string, name: string) =>
    existing(api.project(project).instances, `${place}/${name}`);
  const disk = (project: string, place: string, name: string) =>
    existing(api.project(project).disks, `${place}/${name}`);
  return [
    [
      "GET",
      /^projects\/([^/]+)\/zones$/,
      (call) =>
        page(
          api.zones.map((name) => ({ name, status: "UP" })),
          call.query,
        ),
    ],
    ["GET", new RegExp(`${zone}$`), (_call, _project, name) => zoneNamed(api, name)],
    ["GET", at("machineTypes"), (call) => page(api.machineTypes, call.query)],
    [
      "GET",
      at("machineTypes/([^/]+)"),
      (_call, _project, place, name) => {
        const found = api.machineTypes.find((type) => type.name === name);
        if (!found) throw notFound(`zones/${place}/machineTypes/${name}`);
        return found;
      },
    ],
    [
      "GET",
      /^projects\/([^/]+)\/aggregated\/(instances|disks)$/,
      (call, project, kind) => aggregated(api.project(project), kind as "instances" | "disks", call),
    ],
    ["GET", at("instances/([^/]+)"), (_call, ...place) => instance(...(place as [string, string, string]))],
    ["POST", at("instances"), (call, project, place) => insertInstance(api, api.project(project), place, call)],
    [
      "POST",
      at("instances/([^/]+)/(stop|start)"),
      (call, project, place, name, action) => {
        const found = instance(project, place, name);
        return api.operation(call, found.selfLink, () =>
          action === "stop" ? stopInstance(api, found) : start(api, found),
        );
      },
    ],
    [
      "POST",
      at("instances/([^/]+)/setLabels"),
      (call, ...place) => api.setLabels(instance(...(place as [string, string, string])), call),
    ],
    [
      "POST",
      at("instances/([^/]+)/(setTags|setMetadata)"),
      (call, project, place, name, method) => {
        const found = instance(project, place, name);
        const field = method === "setTags" ? "tags" : "metadata";
        // rules.ts, fingerprints
        if (call.body.fingerprint !== found[field].fingerprint) {
          throw new Refused(
            412,
            "conditionNotMet",
            "Supplied fingerprint does not match current metadata fingerprint.",
          );
        }
        return api.operation(call, found.selfLink, async () => {
          Object.assign(found, { [field]: { ...call.body, fingerprint: newFingerprint() } });
        });
      },
    ],
    [
      "GET",
      at("instances/([^/]+)/serialPort"),
      async (_call, ...place) => ({
        contents: await api.hypervisor.console(instance(...(place as [string, string, string]))),
      }),
    ],
    [
      "DELETE",
      at("instances/([^/]+)"),
      (call, project, place, name) => {
        const found = instance(project, place, name);
        return api.operation(call, found.selfLink, () => removeInstance(api, api.project(project), place, found));
      },
    ],
    ["GET", at("disks/([^/]+)"), (_call, ...place) => disk(...(place as [string, string, string]))],
    ["POST", at("disks"), (call, project, place) => insertDisk(api, api.project(project), place, call)],
    [
      "POST",
      at("disks/([^/]+)/setLabels"),
      (call, ...place) => api.setLabels(disk(...(place as [string, string, string])), call),
    ],
    [
      "DELETE",
      at("disks/([^/]+)"),
      (call, project, place, name) => {
        const found = disk(project, place, name);
        // rules.ts, beingMade
        const images = [...api.project(project).images.values()];
        const made = images.find(({ status, sourceDisk }) => status === "PENDING" && sourceDisk === found.selfLink);
        const user = found.users?.[0] ?? made?.selfLink;
        if (user !== undefined) {
          const message = `The disk resource '${found.selfLink}' is already being used by '${user}'`;
          throw new Refused(400, "resourceInUseByAnotherResource", message);
        }
        return api.operation(call, found.selfLink, () => removeDisk(api, api.project(project), place, found));
      },
    ],
  ];
}

function zoneNamed(api: GceApi, name: string) {
  if (!api.zones.includes(name)) throw notFound(`zones/${name}`);
  return { name, status: "UP" };
}

/** Lists resources by zone. Like the real answer, it also has empty zones, with a warning. */
function aggregated(project: Project, kind: "instances" | "disks", { query }: Call) {
  const things = [...project[kind].values()].filter((thing) => matches(query.get("filter"), thing));
  const { items: found = [], ...rest } = page(things, query);
  const items: Record<string, unknown> = { "zones/nowhere-a": { warning: { code: "NO_RESULTS_ON_PAGE" } } };
  for (const thing of found) {
    const zone = `zones/${thing.zone.split("/").at(-1)}`;
    items[zone] = { [kind]: [...((items[zone] as Record<string, unknown[]>)?.[kind] ?? []), thing] };
  }
  return { items, ...rest };
}

function insertDisk(api: GceApi, project: Project, zone: string, call: Call): unknown {
  zoneNamed(api, zone);
  const made = newDisk(api, project, zone, call.body);
  return api.operation(call, made.selfLink, () => makeDisk(api, project, zone, made));
}

function newDisk(api: GceApi, project: Project, zone: string, body: Record<string, unknown>): Disk {
  const { name, sourceImage, sizeGb } = body as { name: string; sourceImage?: string; sizeGb?: string | number };
  const path = `projects/${project.id}/zones/${zone}/disks/${name}`;
  if (project.disks.has(`${zone}/${name}`))
    throw new Refused(409, "alreadyExists", `The resource '${path}' already exists`);
  const image = sourceImage === undefined ? undefined : api.imageAt(sourceImage);
  const smallest = Number(image?.diskSizeGb ?? 10);
  if (sizeGb !== undefined && Number(sizeGb) < smallest) {
    throw new Refused(400, "invalid", `Requested disk size cannot be smaller than the image size (${smallest} GB)`);
  }
  if (["OBSOLETE", "DELETED"].includes(image?.deprecated?.state ?? "")) {
    throw new Refused(400, "invalid", `The image '${image!.name}' is ${image!.deprecated!.state}`);
  }
  return {
    ...api.thing("compute#disk", path, body),
    status: "CREATING",
    zone: `${links}projects/${project.id}/zones/${zone}`,
    sizeGb: String(sizeGb ?? smallest),
    ...(image && { sourceImage: image.selfLink }),
  };
}

async function makeDisk(api: GceApi, project: Project, zone: string, disk: Disk): Promise<void> {
  await api.hypervisor.makeDisk(disk, api.imageOf(disk));
  disk.status = "READY";
  project.disks.set(`${zone}/${disk.name}`, disk);
}

async function removeDisk(api: GceApi, project: Project, zone: string, disk: Disk): Promise<void> {
  await api.hypervisor.removeDisk(disk);
  project.disks.delete(`${zone}/${disk.name}`);
}

type DiskRequest = Partial<AttachedDisk> & { initializeParams?: { sourceImage: string; diskSizeGb?: string | number } };

function insertInstance(api: GceApi, project: Project, zone: string, call: Call): unknown {
  zoneNamed(api, zone);
  const { name, disks = [], machineType } = call.body as { name: string; disks?: DiskRequest[]; machineType: string };
  const path = `projects/${project.id}/zones/${zone}/instances/${name}`;
  if (project.instances.has(`${zone}/${name}`))
    throw new Refused(409, "alreadyExists", `The resource '${path}' already exists`);
  const boot = disks.find((disk) => disk.boot);
  if (!boot) throw new Refused(400, "invalid", "Invalid value for field 'resource.disks': a boot disk is required");
  if (!api.machineTypes.some((type) => machineType.endsWith(`/${type.name}`))) throw notFound(machineType);
  refuseOverQuota(api, project, zone, machineType);
  const { initializeParams: params } = boot;
  const fresh =
    params && newDisk(api, project, zone, { name, sourceImage: params.sourceImage, sizeGb: params.diskSizeGb });
  const disk = fresh ?? api.diskAt(boot.source!);
  if (disk.users?.length) throw new Refused(400, "resourceInUseByAnotherResource", `${disk.name} is in use`);
  const made: Instance = {
    ...call.body,
    ...api.thing("compute#instance", path, call.body),
    status: "PROVISIONING",
    zone: `${links}projects/${project.id}/zones/${zone}`,
    machineType,
    disks: [{ ...attached, autoDelete: boot.autoDelete ?? false, source: disk.selfLink, diskSizeGb: disk.sizeGb }],
    metadata: { ...(call.body.metadata ?? { items: [] }), fingerprint: newFingerprint() } as Instance["metadata"],
    tags: { ...(call.body.tags ?? { items: [] }), fingerprint: newFingerprint() } as Instance["tags"],
    networkInterfaces: (call.body.networkInterfaces ?? []) as Instance["networkInterfaces"],
    ...(call.body.scheduling !== undefined && {
      scheduling: asAnswered(call.body.scheduling as Instance["scheduling"]),
    }),
  };
  return api.operation(call, made.selfLink, async () => {
    if (fresh) await makeDisk(api, project, zone, fresh);
    disk.users = [made.selfLink];
    project.instances.set(`${zone}/${name}`, made);
    try {
      await start(api, made);
    } catch (error) {
      await removeInstance(api, project, zone, made);
      throw error;
    }
  });
}

/** Fields that the API adds to a boot disk. */
const attached = {
  ...{ boot: true, mode: "READ_WRITE", type: "PERSISTENT", interface: "SCSI", index: 0 },
  deviceName: "persistent-disk-0",
};

/** Answers have 64-bit numbers as text. */
function asAnswered(scheduling: Instance["scheduling"]): Instance["scheduling"] {
  const seconds = scheduling?.maxRunDuration?.seconds;
  return seconds === undefined ? scheduling : { ...scheduling, maxRunDuration: { seconds: String(seconds) } };
}

async function start(api: GceApi, instance: Instance): Promise<void> {
  const { address } = await api.hypervisor.start(instance, api.diskAt(instance.disks[0].source));
  for (const network of instance.networkInterfaces) {
    network.networkIP = address;
    for (const access of network.accessConfigs ?? []) access.natIP = address;
  }
  instance.status = "RUNNING";
  // rules.ts, termination
  const { seconds } = instance.scheduling?.maxRunDuration ?? {};
  if (seconds === undefined) return;
  ends.set(instance, Date.now() + Number(seconds) * 1000);
}

/** End times of machines with a run duration, in milliseconds. The API v1 has no field for it. */
const ends = new WeakMap<Instance, number>();

/** Deletes or stops machines whose run duration is over, like Google. */
export async function endRuns(api: GceApi, project: Project, now: Date): Promise<void> {
  for (const instance of [...project.instances.values()]) {
    const end = ends.get(instance);
    if (end === undefined || end > now.getTime()) continue;
    const isDeleted = instance.scheduling?.instanceTerminationAction === "DELETE";
    await (isDeleted ? removeInstance(api, project, nameOf(instance.zone), instance) : stopInstance(api, instance));
  }
}

function nameOf(url: string): string {
  return url.split("/").at(-1)!;
}

/** Shuts an instance down. */
export async function stopInstance(api: GceApi, instance: Instance): Promise<void> {
  if (instance.status === "TERMINATED") return;
  instance.status = "STOPPING";
  await api.hypervisor.stop(instance);
  // Only running machines have ephemeral addresses.
  for (const access of instance.networkInterfaces.flatMap(({ accessConfigs }) => accessConfigs ?? []))
    delete access.natIP;
  instance.status = "TERMINATED";
  ends.delete(instance);
}

async function removeInstance(api: GceApi, project: Project, zone: string, instance: Instance): Promise<void> {
  await api.hypervisor.remove(instance);
  project.instances.delete(`${zone}/${instance.name}`);
  for (const { source, autoDelete } of instance.disks) {
    const disk = api.diskAt(source);
    disk.users = disk.users?.filter((user) => user !== instance.selfLink);
    if (autoDelete) await removeDisk(api, project, zone, disk);
  }
}
