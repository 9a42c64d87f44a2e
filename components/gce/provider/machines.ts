// Stops, marks and removes the machines of a bake: an instance, and a boot disk of the same name that outlives it until
// the image is made.
import { UserError } from "../../../common/user-error.ts";
import { labelKey } from "../../../common/labels.ts";
import { gceLabels, otherOwner } from "../facts/labels.ts";
import { closedSuffix } from "../facts/rule-description.ts";
import { waitFor } from "../../../provider/kit/wait.ts";
import type { Context } from "../../../provider/resource.ts";
import type { Compute } from "./compute.ts";
import { ComputeError } from "./errors.ts";
import { nameOf, type Disk, type Image, type Instance } from "./types.ts";

/** Where a machine is. */
export interface Place {
  /** The project's id. */
  project: string;
  zone: string;
  /** The name of the instance and of its boot disk. */
  machine: string;
}

/**
 * Seconds that Google may take: stopping gives the guest 90 s; disks and instances are usually gone within a minute.
 */
export const limits = { stop: 300, removeInstance: 300, removeDisk: 120, image: 1800, small: 120 };

/** Labels and metadata that record a machine's progress. */
export const marks = {
  /** On an instance: sealing began, and login is no longer possible. */
  sealing: labelKey(gceLabels, "sealing"),
  /** On a boot disk: the machine was stopped cleanly, so the disk may become an image. */
  retired: labelKey(gceLabels, "retired"),
  /** On an image that is not verified: the stack declares it, so the lease of its machine leaves it alone. */
  kept: labelKey(gceLabels, "kept"),
  /** On an image: when it was verified. */
  verified: labelKey(gceLabels, "verified"),
  /** Metadata of an instance: the whole recipe hash, one character too long for a label. */
  recipe: "ci-images-recipe",
};

/** The API's states of an instance that doesn't run and won't start by itself. */
export const stopped = ["STOPPING", "TERMINATED", "SUSPENDING", "SUSPENDED"];

export function instancePath({ zone, machine }: Pick<Place, "zone" | "machine">): string {
  return `zones/${zone}/instances/${machine}`;
}

export function diskPath({ zone, machine }: Pick<Place, "zone" | "machine">): string {
  return `zones/${zone}/disks/${machine}`;
}

/**
 * Removes an instance, its disk and its firewall rules; each only if it exists. Waits for an image that Google is still
 * making of the disk.
 * @returns what was removed.
 */
export async function removeMachine(
  compute: Compute,
  place: Pick<Place, "zone" | "machine">,
  context: Context,
): Promise<string[]> {
  const { machine } = place;
  const remove = async (kind: string, path: string, seconds: number, name = machine): Promise<string[]> => {
    const what = `${kind} ${name}`;
    // Look first: deleting a missing resource is an error in the project's audit log.
    if ((await compute.find(path)) === undefined) return [];
    return (await compute.remove(path, what, seconds)) ? [what] : [];
  };
  const removeDisk = () =>
    waitFor<string[]>(
      {
        what: `disk ${machine}`,
        until: "to be free, so that it can be removed",
        deadline: limits.image,
        lookAt: `gcloud compute disks describe ${machine} --project=${compute.project} --zone=${place.zone}`,
        look: async () => {
          try {
            return { done: await remove("disk", diskPath(place), limits.removeDisk) };
          } catch (error) {
            if (error instanceof ComputeError && error.isUsedByImage) return { state: "the source of a pending image" };
            throw error;
          }
        },
      },
      context,
    );
  const removeRule = (name: string) => remove("firewall rule", `global/firewalls/${name}`, limits.small, name);
  const instance = await remove("instance", instancePath(place), limits.removeInstance);
  const others = await Promise.all([removeDisk(), removeRule(machine), removeRule(`${machine}${closedSuffix}`)]);
  return [...instance, ...others.flat()];
}

/** Stops an instance and waits, so that its file systems are consistent. No-op if it is stopped. */
export async function stopInstance(compute: Compute, place: Place, context: Context): Promise<void> {
  const path = instancePath(place);
  const what = `instance ${place.machine}`;
  const seen = await compute.find<Instance>(path);
  if (seen === undefined) throw gone(what);
  if (seen.status !== "TERMINATED" && seen.status !== "STOPPING") {
    await compute.change("POST", `${path}/stop`, { what: `stopping ${what}`, seconds: limits.stop });
  }
  await waitFor<void>(
    {
      what,
      until: "to be stopped",
      deadline: limits.stop,
      lookAt: describeCommand(place),
      look: async () => {
        const { status } = (await compute.find<Instance>(path)) ?? { status: undefined };
        if (status === undefined) return { failed: "it is gone", cure: "run `pulumi up` again" };
        return status === "TERMINATED" ? { done: undefined } : { state: status };
      },
    },
    context,
  );
}

/**
 * Changes labels of a resource.
 * @param path Of the instance, disk or image.
 * @param changes New values; undefined removes a label.
 * @throws UserError if the resource no longer exists.
 */
export async function changeLabels(
  compute: Compute,
  path: string,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await compute.find<Instance | Disk | Image>(path);
    if (found === undefined) throw gone(nameOf(path));
    const all = Object.entries({ ...found.labels, ...changes }).filter(([, value]) => value !== undefined);
    const body = { labels: Object.fromEntries(all), labelFingerprint: found.labelFingerprint };
    try {
      return await compute.change("POST", `${path}/setLabels`, {
        what: `labels of ${nameOf(path)}`,
        seconds: limits.small,
        body,
        // https://cloud.google.com/compute/docs/reference/rest/v1/images/setLabels has no such parameter. The
        // fingerprint is enough: if the answer to a successful request was lost, the next one conflicts, and the labels
        // are read again.
        isNumbered: !path.startsWith("global/images/"),
      });
    } catch (error) {
      // Somebody else changed the labels in between, which the fingerprint detects: read them again.
      if (!(error instanceof ComputeError && error.isConflict) || attempt === 5) throw error;
    }
  }
}

/**
 * Waits until an image is finished: the API refuses to change one that it is still making.
 * @param until As in {@link waitFor}.
 * @returns undefined if it doesn't exist.
 */
export async function findFinishedImage(
  compute: Compute,
  name: string,
  context: Context,
  until = "to be finished",
): Promise<Image | undefined> {
  return await waitFor<Image | undefined>(
    {
      what: `image ${name}`,
      until,
      deadline: limits.image,
      lookAt: `gcloud compute images describe ${name} --project=${compute.project}`,
      look: async () => {
        const found = await compute.find<Image>(`global/images/${name}`);
        return found && ["PENDING", "DELETING"].includes(found.status) ? { state: found.status } : { done: found };
      },
    },
    context,
  );
}

/**
 * Refuses an image that another stack or Pulumi project has made.
 * @param own Our labels.
 */
export function refuseOthersImage(
  { project }: Compute,
  { name, labels }: Image,
  own: Readonly<Record<string, string>>,
): void {
  const other = otherOwner(labels, own);
  if (other === undefined) return;
  throw new UserError({
    where: `Compute Engine, project ${project}, image ${name}`,
    found: `belongs to ${other}`,
    cure: "images are named after stack, recipe and distribution: give the stack or the recipe another name",
  });
}

/** The machine's output on its first serial port; `undefined` if it has printed nothing or no longer exists. */
export async function serialConsole(compute: Compute, place: Place): Promise<string | undefined> {
  const output = await compute.find<{ contents?: string }>(`${instancePath(place)}/serialPort`);
  return output?.contents || undefined;
}

/** A command that shows the machine. */
export function describeCommand({ project, zone, machine }: Place): string {
  return `gcloud compute instances describe ${machine} --project=${project} --zone=${zone}`;
}

/** The recipe hash of a builder. */
export function recipeOf({ metadata }: Instance): string | undefined {
  return metadata?.items?.find(({ key }) => key === marks.recipe)?.value;
}

function gone(what: string): UserError {
  const cure = "run `pulumi up` again: it bakes what is missing";
  return new UserError({ where: `Compute Engine, ${what}`, found: "is gone", cure });
}
