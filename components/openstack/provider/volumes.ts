// Cinder volumes and snapshots: the disks of servers that boot from a volume, and of their images.
// https://docs.openstack.org/api-ref/block-storage/v3/
import { waitFor } from "../../../provider/kit/wait.ts";
import type { Region } from "./region.ts";

interface Volume {
  id: string;
  /** available, in-use, detaching, deleting, error, ... */
  status: string;
}

export interface VolumeSnapshot {
  id: string;
  volume_id: string;
  /** creating, available, deleting, error, error_deleting */
  status: string;
}

const deadline = 600;

export async function findSnapshot(region: Region, id: string): Promise<VolumeSnapshot | undefined> {
  return (await region.find<{ snapshot: VolumeSnapshot }>("volume", `/snapshots/${id}`))?.snapshot;
}

/**
 * Deletes an unused volume. Cinder can't delete a volume that has snapshots: it stays until its image is deleted (see
 * {@link dropSnapshot}).
 */
export async function dropVolume(region: Region, id: string): Promise<void> {
  const free = await waitFor<boolean>(
    {
      what: `volume ${id}`,
      until: "to be free",
      deadline,
      lookAt: region.command(`volume show ${id}`),
      look: async () => {
        const volume = await findVolume(region, id);
        if (!volume) return { done: false };
        const isBusy = ["in-use", "detaching", "deleting", "reserved"].includes(volume.status);
        return isBusy ? { state: volume.status } : { done: true };
      },
    },
    region.context,
  );
  if (!free || (await snapshotsOf(region, id)).length > 0) return;
  await region.remove("volume", `/volumes/${id}`);
  await gone(region, "volume", id, async () => (await findVolume(region, id))?.status);
}

/** Deletes a snapshot, and its volume if that is no longer used. No-op if it no longer exists. */
export async function dropSnapshot(region: Region, id: string): Promise<void> {
  const snapshot = await findSnapshot(region, id);
  if (!snapshot) return;
  await region.remove("volume", `/snapshots/${id}`);
  await gone(region, "snapshot", id, async () => (await findSnapshot(region, id))?.status);
  const volume = await findVolume(region, snapshot.volume_id);
  // An attached volume belongs to a server: the builder, if the image is deleted first.
  if (volume?.status === "available") await dropVolume(region, volume.id);
}

async function findVolume(region: Region, id: string): Promise<Volume | undefined> {
  return (await region.find<{ volume: Volume }>("volume", `/volumes/${id}`))?.volume;
}

async function snapshotsOf(region: Region, volume: string): Promise<VolumeSnapshot[]> {
  const path = `/snapshots/detail?volume_id=${volume}`;
  return (await region.send<{ snapshots: VolumeSnapshot[] }>({ service: "volume", method: "GET", path })).snapshots;
}

function gone(region: Region, kind: "volume" | "snapshot", id: string, status: () => Promise<string | undefined>) {
  const command = kind === "volume" ? "volume show" : "volume snapshot show";
  return waitFor(
    {
      what: `${kind} ${id}`,
      until: "to be gone",
      deadline,
      lookAt: region.command(`${command} ${id}`),
      look: async () => {
        const state = await status();
        if (state === undefined) return { done: undefined };
        return state.startsWith("error") ? { failed: `it is in ${state}` } : { state };
      },
    },
    region.context,
  );
}
