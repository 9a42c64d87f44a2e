// Sets the workers' time zone.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { nearest } from "../../common/nearest.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Sets the time zone";

export const settings = {
  type: "string",
  pattern: "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
  default: "UTC",
  description: "The zone's name in the tz database, as `timedatectl list-timezones` prints it.",
  examples: ["UTC", "Europe/Berlin"],
};

/**
 * Records the zone.
 * @throws UserError if the zone doesn't exist.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const zone = settingsOf(cfg, "timezone", "UTC");
  refuseUnknown(name, zone);
  const source = `/usr/share/zoneinfo/${zone}`;
  root.packages(["tzdata"]);
  root.run(
    [
      `if [ ! -f ${quote(source)} ]; then`,
      // Node knows old names that the package tzdata of Debian 13 and Ubuntu 24.04 lacks.
      `  echo ${quote(`${root.distribution.id} has no time zone ${zone}: names have capital letters as in Europe/Berlin, and old names (US/Pacific) may be in the package tzdata-legacy`)} >&2`,
      `  exit 1`,
      `fi`,
      `ln -s -f -n ${quote(source)} /etc/localtime`,
      // Debian's second record of it: both must agree, or updates of tzdata would ask.
      ...(root.distribution.family === "debian" ? [`printf '%s\\n' ${quote(zone)} >/etc/timezone`] : []),
    ].join("\n"),
  );
  root.check(
    `the time zone is ${zone}`,
    `[ "$(readlink /etc/localtime)" = ${quote(source)} ] && cmp --quiet /etc/localtime ${quote(source)}`,
  );
}

function refuseUnknown(name: string, zone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const suggestion = nearest(zone, Intl.supportedValuesOf("timeZone"));
    throw new UserError({
      where: `module ${name}`,
      key: "timezone",
      found: `there is no time zone "${zone}"`,
      allowed: "a name of the tz database, e.g. Europe/Berlin",
      cure: suggestion && `did you mean "${suggestion}"?`,
    });
  }
}
