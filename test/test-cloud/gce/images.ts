// Images, families and firewall rules of the fake Compute API.
import type { GceApi } from "../gce-api.ts";
import { matches, notFound, page, Refused, type Call, type Route } from "./http.ts";
import type { Firewall, Image, Project, Thing } from "./state.ts";

/** The routes. @param api Has the state and runs operations. */
export function imageRoutes(api: GceApi): Route[] {
  const images = String.raw`^projects/([^/]+)/global/images`;
  const firewalls = String.raw`^projects/([^/]+)/global/firewalls`;
  return [
    ["GET", new RegExp(`${images}$`), (call, project) => listImages(api.project(project), call)],
    [
      "GET",
      new RegExp(`${images}/family/([^/]+)$`),
      (_call, project, family) => ofFamily(api.project(project), family),
    ],
    ["GET", new RegExp(`${images}/([^/]+)$`), (_call, project, name) => existing(api.project(project).images, name)],
    ["POST", new RegExp(`${images}$`), (call, project) => insertImage(api, api.project(project), call)],
    [
      "PATCH",
      new RegExp(`${images}/([^/]+)$`),
      (call, project, name) => patchImage(api, api.project(project), name, call),
    ],
    [
      "POST",
      new RegExp(`${images}/([^/]+)/setLabels$`),
      (call, project, name) => api.setLabels(existing(api.project(project).images, name), call),
    ],
    [
      "DELETE",
      new RegExp(`${images}/([^/]+)$`),
      (call, project, name) => deleteImage(api, api.project(project), name, call),
    ],
    [
      "GET",
      new RegExp(`${firewalls}$`),
      ({ query }, project) => page([...api.project(project).firewalls.values()], query),
    ],
    [
      "GET",
      new RegExp(`${firewalls}/([^/]+)$`),
      (_call, project, name) => existing(api.project(project).firewalls, name),
    ],
    ["POST", new RegExp(`${firewalls}$`), (call, project) => insertFirewall(api, api.project(project), call)],
    [
      "PATCH",
      new RegExp(`${firewalls}/([^/]+)$`),
      (call, project, name) => {
        const found = existing(api.project(project).firewalls, name);
        return api.operation(call, found.selfLink, async () => void Object.assign(found, call.body));
      },
    ],
    [
      "DELETE",
      new RegExp(`${firewalls}/([^/]+)$`),
      (call, project, name) => {
        const found = existing(api.project(project).firewalls, name);
        return api.operation(call, found.selfLink, async () => void api.project(project).firewalls.delete(name));
      },
    ],
    [
      "GET",
      /^projects\/([^/]+)\/global\/networks$/,
      (call, project) =>
        page(
          [...api.project(project).networks].map((name) => ({ name })),
          call.query,
        ),
    ],
    [
      "GET",
      /^projects\/([^/]+)\/global\/networks\/([^/]+)$/,
      (_call, project, name) => {
        if (!api.project(project).networks.has(name)) throw notFound(`projects/${project}/global/networks/${name}`);
        const regions = new Set(api.zones.map((zone) => zone.replace(/-[a-z]+$/, "")));
        const subnetworks = [...regions].map((region) => `https://compute/${subnetworkPath(project, region, name)}`);
        return { name, subnetworks };
      },
    ],
    [
      "GET",
      /^projects\/([^/]+)\/regions\/([^/]+)\/subnetworks\/([^/]+)$/,
      (_call, project, region, name) => {
        if (!api.project(project).networks.has(name)) throw notFound(subnetworkPath(project, region, name));
        // The test cloud's machines have loopback addresses.
        return { name, ipCidrRange: "127.0.0.0/8" };
      },
    ],
  ];
}

/** A network in auto mode has a subnetwork with its name in every region. */
function subnetworkPath(project: string, region: string, name: string): string {
  return `projects/${project}/regions/${region}/subnetworks/${name}`;
}

function listImages(project: Project, { query }: Call) {
  return page(
    [...project.images.values()].filter((image) => matches(query.get("filter"), image)),
    query,
  );
}

/** The family's newest image that is not deprecated. */
function ofFamily(project: Project, family: string): Image {
  const members = [...project.images.values()].filter((image) => image.family === family && !image.deprecated);
  members.sort((a, b) => Date.parse(b.creationTimestamp) - Date.parse(a.creationTimestamp));
  if (!members[0]) throw notFound(`projects/${project.id}/global/images/family/${family}`);
  return members[0];
}

function insertImage(api: GceApi, project: Project, call: Call): unknown {
  const { name, sourceDisk, sourceImage, rawDisk } = call.body as {
    name: string;
    sourceDisk?: string;
    sourceImage?: string;
    rawDisk?: { source: string; containerType?: string };
  };
  const path = `projects/${project.id}/global/images/${name}`;
  if (project.images.has(name)) throw new Refused(409, "alreadyExists", `The resource '${path}' already exists`);
  const disk = sourceDisk === undefined ? undefined : api.diskAt(sourceDisk);
  const source = sourceImage === undefined ? undefined : api.imageAt(sourceImage);
  const running = (disk?.users ?? []).some((user) => api.instanceAt(user)?.status !== "TERMINATED");
  if (running && call.query.get("forceCreate") !== "true") {
    const message = `The disk resource '${sourceDisk}' is already being used by '${disk!.users![0]}'`;
    throw new Refused(400, "resourceInUseByAnotherResource", message);
  }
  const made: Image = {
    ...api.thing("compute#image", path, call.body),
    status: "PENDING",
    diskSizeGb: disk?.sizeGb ?? source?.diskSizeGb ?? "10",
    architecture: source?.architecture ?? api.imageOf(disk)?.architecture ?? "X86_64",
    guestOsFeatures: features(api.imageOf(disk) ?? source, call),
    ...(disk && { sourceDisk: disk.selfLink }),
    ...(source && { sourceImage: source.selfLink }),
  };
  if (rawDisk) {
    return api.operation(call, made.selfLink, async () => {
      project.images.set(name, made);
      try {
        made.diskSizeGb = await api.importRawDisk(rawDisk.source, made);
      } catch (error) {
        project.images.delete(name);
        throw error;
      }
      const end = api.faults.imageEnds.shift();
      made.status = end ?? "READY";
      if (end !== undefined) throw new Refused(500, "INTERNAL_ERROR", `Creating image '${path}' failed`);
    });
  }
  return api.operation(call, made.selfLink, async () => {
    // rules.ts, notReady: the request is accepted, but its operation fails.
    if ((disk ?? source)?.status !== "READY") {
      throw new Refused(400, "RESOURCE_NOT_READY", `The resource '${(disk ?? source)?.selfLink}' is not ready`);
    }
    project.images.set(name, made);
    const end = api.faults.imageEnds.shift();
    if (end !== undefined) {
      made.status = end;
      throw new Refused(500, "INTERNAL_ERROR", `Creating image '${path}' failed`);
    }
    try {
      await api.hypervisor.makeImage(made, disk ? { disk } : { image: source! });
    } catch (error) {
      project.images.delete(name);
      throw error;
    }
    made.status = "READY";
  });
}

/** Guest OS features of the source and of the request (rules.ts, inheritance). */
function features(source: Image | undefined, { body }: Call): Image["guestOsFeatures"] {
  const added = (body.guestOsFeatures ?? []) as Image["guestOsFeatures"];
  const types = new Set([...(source?.guestOsFeatures ?? []), ...added].map(({ type }) => type));
  return [...types].map((type) => ({ type }));
}

function patchImage(api: GceApi, project: Project, name: string, call: Call): unknown {
  const image = existing(project.images, name);
  const fixed = Object.keys(call.body).filter((key) => !["family", "description", "deprecated"].includes(key));
  if (fixed.length > 0)
    throw new Refused(400, "invalid", `Invalid value for field 'resource.${fixed[0]}': can't be changed`);
  return api.operation(call, image.selfLink, async () => {
    for (const [key, value] of Object.entries(call.body)) {
      if (value === null) delete image[key];
      else image[key] = value;
    }
  });
}

function deleteImage(api: GceApi, project: Project, name: string, call: Call): unknown {
  const image = existing(project.images, name);
  // rules.ts, beingMade
  if (image.status === "PENDING") throw new Refused(400, "resourceNotReady", `The resource '${name}' is not ready`);
  return api.operation(call, image.selfLink, async () => {
    await api.hypervisor.removeImage(image);
    project.images.delete(name);
  });
}

function insertFirewall(api: GceApi, project: Project, call: Call): unknown {
  const { name } = call.body as { name: string };
  const path = `projects/${project.id}/global/firewalls/${name}`;
  if (project.firewalls.has(name)) throw new Refused(409, "alreadyExists", `The resource '${path}' already exists`);
  // Firewall rules have no labels.
  const made: Partial<Thing> & Firewall = {
    ...api.thing("compute#firewall", path, call.body),
    network: String(call.body.network),
  };
  delete made.labelFingerprint;
  return api.operation(call, made.selfLink, async () => void project.firewalls.set(name, made));
}

/** The resource of this name. @throws Refused 404 */
export function existing<T>(things: Map<string, T>, name: string): T {
  const found = things.get(name);
  if (found === undefined) throw notFound(name);
  return found;
}
