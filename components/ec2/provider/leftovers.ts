// Finds and removes our expired leftovers in a region, by tags and without the state.
import { tagKey, tagNames } from "../facts/tags.ts";
import { cloudLabels, parseExpiry } from "../../../common/labels.ts";
import { ec2Labels } from "../facts/labels.ts";
import type { AnswerOf, InputsOf } from "../../../common/contract.ts";
import type { sweep } from "../contract.ts";
import type { Context } from "../../../provider/resource.ts";
import { ec2 } from "./client.ts";
import { removeImage, removeSnapshot } from "./images.ts";
import { dropMachine } from "./machines.ts";
import { findImages, findInstances, findSnapshots, snapshotsOf, tagFilters, tagsOf } from "./tagged-resources.ts";

type Owner = Pick<InputsOf<typeof sweep>, "project" | "stack">;
type Leftover = Omit<AnswerOf<typeof sweep>["leftovers"][number], "region">;

/**
 * Finds leftovers.
 * @param now The time to use as now.
 * @returns machines first, then images and snapshots.
 */
export async function findLeftovers(region: string, owner: Owner, now = new Date()): Promise<Leftover[]> {
  const tags = cloudLabels(ec2Labels, owner);
  const client = await ec2(region);
  const Filters = tagFilters(tags);
  const [instances, groups, keys, images, snapshots] = await Promise.all([
    findInstances(region, tags),
    client.describeSecurityGroups({ Filters }),
    client.describeKeyPairs({ Filters }),
    findImages(region, tags),
    findSnapshots(region, tags),
  ]);
  const machines = new Map<string, Leftover>();
  for (const thing of [...instances, ...(groups.SecurityGroups ?? []), ...(keys.KeyPairs ?? [])]) {
    const id = tagsOf(thing)[tagNames.machine];
    const expired = expiredAt(tagsOf(thing), now);
    if (id === undefined || expired === undefined || machines.has(id)) continue;
    const what = "InstanceId" in thing ? `instance ${thing.InstanceId}` : "key pair or security group";
    machines.set(id, { kind: "machine", id, description: what, expired });
  }
  const unproven = images.flatMap((image): Leftover[] => {
    const expired = expiredAt(tagsOf(image), now);
    if (expired === undefined || tagsOf(image)[tagNames.proven] !== undefined) return [];
    return [{ kind: "image", id: image.ImageId!, description: `${image.Name}, never proven`, expired }];
  });
  const used = new Set(images.flatMap(snapshotsOf));
  const orphans = snapshots
    .filter(({ SnapshotId }) => !used.has(SnapshotId!))
    .flatMap((snapshot): Leftover[] => {
      const leftover = { kind: "snapshot" as const, id: snapshot.SnapshotId! };
      // A snapshot that is being uploaded has no image yet.
      if (tagsOf(snapshot)[tagKey("expires")] === undefined) return [{ ...leftover, description: "its image is gone" }];
      const expired = expiredAt(tagsOf(snapshot), now);
      return expired === undefined ? [] : [{ ...leftover, description: "its import never finished", expired }];
    });
  return [...machines.values(), ...unproven, ...orphans];
}

/** Removes a leftover and what belongs to it. No-op if it no longer exists. */
export async function removeLeftover(region: string, { kind, id }: Leftover, context: Context) {
  if (kind === "machine") await dropMachine(region, id, context);
  else if (kind === "image") await removeImage(region, id, context);
  else await removeSnapshot(region, id, context);
}

function expiredAt(tags: Record<string, string>, now: Date): string | undefined {
  const expires = parseExpiry(tags[tagKey("expires")] ?? "");
  return expires && expires < now ? expires.toISOString() : undefined;
}
