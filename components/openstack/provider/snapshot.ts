// Makes an image of a stopped server with Nova's createImage, and waits until both image and server are done.
// https://docs.openstack.org/api-ref/compute/#create-image-createimage-action
import { UserError } from "../../../common/user-error.ts";
import { waitFor, type Seen } from "../../../provider/kit/wait.ts";
import { findImage, snapshotIds, type Image } from "./images.ts";
import type { Region } from "./region.ts";
import { act, findServer, type Server } from "./servers.ts";
import { findSnapshot } from "./volumes.ts";

/** Seconds for an image: 48 GB at 10 MB/s take an hour and a half. */
const deadline = 2 * 3600;

/** States from which an image never recovers. https://docs.openstack.org/glance/latest/user/statuses.html */
const lost = ["killed", "deleted", "pending_delete"];

/**
 * Requests an image of the server from Nova.
 * @param metadata The image's properties; values have at most 255 characters.
 * @returns the image's id.
 */
export async function startSnapshot(
  region: Region,
  server: Server,
  name: string,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  const { body, headers } = await act(region, server.id, { createImage: { name, metadata } });
  // In the body since microversion 2.45; otherwise the last part of the address in `location`.
  const inBody = (body as { image_id?: string } | undefined)?.image_id;
  const address = Array.isArray(headers.location) ? headers.location[0] : headers.location;
  const id = inBody ?? address?.split("?")[0].replace(/\/+$/, "").split("/").at(-1);
  if (id) return id;
  throw new UserError({
    where: `server ${server.id} in ${region.name}`,
    found: "Nova accepted the request to make an image, but named no image",
    cure: "run `pulumi up` again: it adopts the image if Nova has made it",
  });
}

/**
 * Waits until the image is active *and* Nova is done with the server: deleting a server earlier can destroy the image.
 * @throws UserError if the image was lost, with the reason if known.
 */
export async function finishSnapshot(region: Region, server: Server, id: string): Promise<Image> {
  let wasSaving = false;
  let idleLooks = 0;
  const look = async (): Promise<Seen<Image>> => {
    const [image, seenServer] = await Promise.all([findImage(region, id), findServer(region, server.id)]);
    const again = "`pulumi up` tries again";
    if (!image) {
      const fault = seenServer?.fault?.message;
      const why = fault === undefined ? "" : `: ${fault}`;
      return { failed: `it is gone: Nova drops an image that its compute host could not make${why}`, cure: again };
    }
    if (lost.includes(image.status)) return { failed: `it ended as ${image.status}`, cure: again };
    if (image.status === "deactivated") return { failed: "it was deactivated by the cloud's operator" };
    if (image.status === "queued" && wasSaving) {
      return { failed: "its upload failed: its status went from saving back to queued", cure: again };
    }
    if (!seenServer) return { failed: `server ${server.id} is gone while its image is made` };
    const task = seenServer["OS-EXT-STS:task_state"];
    if (image.status === "queued" && !task) {
      // Image and server are read separately: the image may be from before the end, the server from after it. Look
      // twice.
      idleLooks += 1;
      if (idleLooks > 1) return { failed: "it has no content, and Nova is done with its server", cure: again };
    }
    if (image.status !== "active") {
      wasSaving ||= image.status === "saving";
      return { state: image.status };
    }
    if (task) return { state: `active, its server still ${task}` };
    return lookAtContent(region, image);
  };
  const lookAt = region.command(`image show ${id}`);
  return waitFor({ what: `image ${id}`, until: "to be active", deadline, lookAt, look }, region.context);
}

/**
 * Checks that an active image has content: bytes, or finished snapshots of its server's volumes.
 * @returns for {@link waitFor}: the image, or its problem.
 */
export async function lookAtContent(region: Region, image: Image): Promise<Seen<Image>> {
  const ids = snapshotIds(image);
  if (ids.length === 0) {
    return (image.size ?? 0) > 0
      ? { done: image }
      : { failed: "it is active and empty", cure: "`pulumi up` tries again" };
  }
  const snapshots = await Promise.all(ids.map((snapshot) => findSnapshot(region, snapshot)));
  for (const [index, snapshot] of snapshots.entries()) {
    if (!snapshot) return { failed: `its volume snapshot ${ids[index]} is gone` };
    if (snapshot.status.startsWith("error"))
      return { failed: `its volume snapshot ${ids[index]} is in ${snapshot.status}` };
    if (snapshot.status !== "available") return { state: `active, volume snapshot ${snapshot.status}` };
  }
  return { done: image };
}
