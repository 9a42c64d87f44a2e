// Which zone a distribution is baked in.
import { UserError } from "../../common/user-error.ts";

/** The stack setting `zone`: one for all distributions, or one for each. */
export type ZoneSetting = string | Readonly<Record<string, string>>;

/**
 * Takes the zone of one distribution.
 * @param where The stack's file, for messages.
 * @throws UserError when the setting names zones by distribution and this one is not among them.
 */
export function zoneOf(zone: ZoneSetting, distribution: string, where: string): string {
  if (typeof zone === "string") return zone;
  if (Object.hasOwn(zone, distribution)) return zone[distribution];
  throw new UserError({
    where,
    key: "ci-images:gce.zone",
    found: `zones for ${Object.keys(zone).join(", ")}, but none for ${distribution}`,
    allowed: "one zone for all distributions, or a mapping with a zone for each",
    cure: `write ${distribution}: ZONE there`,
  });
}
