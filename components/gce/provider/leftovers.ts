// Finds and removes our expired leftovers in a project, by labels and without the state.
import { cloudLabels, labelKey, parseExpiry } from "../../../common/labels.ts";
import type { AnswerOf, InputsOf } from "../../../common/contract.ts";
import type { sweep } from "../contract.ts";
import { gceLabels, isImageOf, isMachineOf } from "../facts/labels.ts";
import { unpackFacts } from "../../../common/image-facts.ts";
import { readRule } from "../facts/rule-description.ts";
import type { Compute } from "./compute.ts";
import type { Bucket } from "./storage.ts";
import { limits, marks } from "./machines.ts";
import { labelFilter, nameOf, type Disk, type Image, type Instance } from "./types.ts";

type Owner = Pick<InputsOf<typeof sweep>, "project" | "stack">;
type Leftover = Omit<AnswerOf<typeof sweep>["leftovers"][number], "place">;

/**
 * Finds leftovers, in the order of removal. A verified image never is one. An image's expiry is in its description,
 * because a label managed by the official provider couldn't be removed when the image is verified.
 * @param now The time to use as now.
 * @param bucket The bucket that holds disks during their import.
 */
export async function findLeftovers(
  compute: Compute,
  owner: Owner,
  now = new Date(),
  bucket?: Bucket,
): Promise<Leftover[]> {
  const filter = labelFilter(cloudLabels(gceLabels, owner));
  const [instances, disks, images, rules] = await Promise.all([
    compute.listEverywhere<Instance>("instances", filter),
    compute.listEverywhere<Disk>("disks", filter),
    compute.list<Image>("global/images", filter),
    compute.list<{ name: string; description?: string }>("global/firewalls"),
  ]);
  const past = (kind: Leftover["kind"], id: string, expires: Date | undefined): Leftover[] =>
    expires && expires < now ? [{ kind, id, name: nameOf(id), expired: expires.toISOString() }] : [];
  const expiryOf = ({ labels }: { labels?: Record<string, string> }) =>
    parseExpiry(labels?.[labelKey(gceLabels, "expires")] ?? "");
  const imageExpiryOf = ({ description }: Image) => {
    const { expires } = unpackFacts(description) ?? {};
    return typeof expires === "string" ? parseExpiry(expires) : undefined;
  };
  const zonal = (things: readonly (Instance | Disk)[], kind: "instance" | "disk") =>
    things
      .filter(({ labels }) => isMachineOf(owner, labels))
      .flatMap((each) => past(kind, `zones/${nameOf(each.zone)}/${kind}s/${each.name}`, expiryOf(each)));
  const objects = (await bucket?.list(`ci-images/${owner.project}/${owner.stack}/`)) ?? [];
  return [
    ...objects.flatMap(({ name, metadata }) => past("object", name, expiryOf({ labels: metadata }))),
    ...zonal(instances, "instance"),
    ...zonal(disks, "disk"),
    ...images
      .filter((image) => image.labels?.[marks.verified] === undefined && isImageOf(owner, image))
      .flatMap((image) => past("image", `global/images/${image.name}`, imageExpiryOf(image))),
    ...rules.flatMap(({ name, description }) => {
      const found = readRule(description);
      const isOurs = found?.project === owner.project && found.stack === owner.stack;
      return isOurs ? past("firewall rule", `global/firewalls/${name}`, found.expires) : [];
    }),
  ];
}

/** Removes a leftover. No-op if it no longer exists. */
export async function removeLeftover(compute: Compute, { kind, id, name }: Leftover, bucket?: Bucket): Promise<void> {
  if (kind === "object") return bucket?.remove(id);
  const seconds = kind === "instance" ? limits.removeInstance : limits.removeDisk;
  await compute.remove(id, `${kind} ${name}`, seconds);
}
