// Sets environment variables for all users: logins, SSH commands, sudo, cron, and the services and agents that systemd
// starts.
import { environmentFunctions } from "./shared/environment.ts";
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Sets environment variables for all users and services";
export const settingsRequired = true;

export const settings = {
  type: "object",
  minProperties: 1,
  description: "The variables and their values. Values are used literally; nothing in them is expanded.",
  examples: [{ ImageOS: "debian12", JAVA_HOME: "/usr/lib/jvm/default-java" }],
  propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
  additionalProperties: {
    type: "string",
    // /etc/environment has no quoting; systemd expands % and splits at quotes.
    pattern: "^[^\\n\\r#\"'%\\\\]+$",
    description: "The value: one line, without `#`, `%`, quotation marks or backslashes.",
    examples: ["/opt/toolcache"],
  },
};

const serviceFile = "/etc/systemd/system.conf.d/20-ci-environment.conf";

/**
 * Records the variables for PAM and for systemd.
 * @throws UserError for PATH, which module path sets, and on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const variables = Object.entries(settingsOf<Record<string, string>>(cfg, "environment", {}));
  if (variables.some(([variable]) => variable === "PATH"))
    throw new UserError({
      where: `module ${name}`,
      key: "environment.PATH",
      found: "PATH is assembled from several places",
      cure: "use module path",
    });
  root.run(
    [environmentFunctions, ...variables.map(([key, value]) => `set_variable ${key} ${quote(value)}`)].join("\n"),
  );
  root.file(
    serviceFile,
    `[Manager]\n${variables.map(([key, value]) => `DefaultEnvironment="${key}=${value}"\n`).join("")}`,
  );
  root.run("systemctl daemon-reexec");
  for (const [key, value] of variables)
    root.check(
      `${key} is set for sessions and services`,
      // systemd quotes values that need quoting in a shell.
      `grep -qxF ${quote(`${key}=${value}`)} /etc/environment\n[ "$(systemd-run --quiet --pipe --wait printenv ${key})" = ${quote(value)} ]`,
    );
}
