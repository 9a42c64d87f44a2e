// Sets environment variables for all users: logins, SSH commands, sudo, cron, and the services and agents that systemd
// starts.
import { environmentFunctions } from "./shared/environment.ts";
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { keepLinesScript } from "../seal/kept.ts";
import { isSecretLine } from "../seal/secret-lines.ts";
import { holdsSecret } from "../shell/secret-text.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Sets environment variables for all users and services";
export const settingsRequired = true;

export const settings = {
  type: "object",
  minProperties: 1,
  description:
    "The variables and their values. Values are used literally; nothing in them is expanded. They stay in the image even if they look like a password: sealing keeps what this module writes.",
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
 * @throws UserError for PATH, which module path sets, for a secret, and on a distribution without systemd.
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
  const secret = variables.find(([, value]) => holdsSecret(value));
  if (secret)
    throw new UserError({
      where: `module ${name}`,
      key: `environment.${secret[0]}`,
      found: "a secret would be in the image, where every user and process can read it, so sealing ends the bake",
      cure: "give the secret to the worker when it starts, or to a single file with module files and keep_secret: true",
    });
  root.run(
    [environmentFunctions, ...variables.map(([key, value]) => `set_variable ${key} ${quote(value)}`)].join("\n"),
  );
  const serviceLines = variables.map(([key, value]) => `DefaultEnvironment="${key}=${value}"`);
  root.file(serviceFile, ["[Manager]", ...serviceLines, ""].join("\n"));
  // What the recipe has in plain text is meant to be in the image, whatever it looks like.
  const kept = [...variables.map(([key, value]) => `${key}=${value}`), ...serviceLines].filter(isSecretLine);
  if (kept.length > 0) root.run(keepLinesScript(kept));
  root.run("systemctl daemon-reexec");
  for (const [key, value] of variables)
    root.check(
      `${key} is set for sessions and services`,
      // systemd quotes values that need quoting in a shell.
      `grep -qxF ${quote(`${key}=${value}`)} /etc/environment\n[ "$(systemd-run --quiet --pipe --wait printenv ${key})" = ${quote(value)} ]`,
    );
}
