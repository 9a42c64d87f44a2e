// The zone that a distribution is baked in.
import { UserError } from "../../common/user-error.ts";

/** The stack setting `zone`: one for all distributions, or one each. */
export type ZoneSetting = string | Readonly<Record<string, string>>;

/**
 * The zone of a distribution.
 * @param where The stack's file, for messages.
 * @throws UserError if the setting names zones by distribution and this one is missing.
 */
export function zoneOf(zone: ZoneSetting, distribution: string, where: string): string {
  if (typeof zone === "string") return zone;
  if (Object.hasOwn(zone, distribution)) return zone[distribution];
  throw new UserError({
    where,
    key: "ci-images:gce.zone",
    found: `zones for ${Object.keys(zone).join(", ")}, but none for ${distribution}`,
    allowed: "one zone for all distributions, or a mapping with a zone for each",
    cure: `add ${distribution}: ZONE`,
  });
}
