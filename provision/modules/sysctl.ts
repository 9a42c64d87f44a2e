// Sets kernel parameters on the workers at boot, such as those that databases, browsers and file watchers need.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Sets kernel parameters (sysctl)";
export const settingsRequired = true;

export const settings = {
  type: "object",
  minProperties: 1,
  propertyNames: { pattern: "^[a-z][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)+$" },
  additionalProperties: {
    anyOf: [
      { type: "integer", description: "A number.", examples: [262144] },
      { type: "string", pattern: "^[^\\s#;][^\\n]*$", description: "A line of text.", examples: ["1024 65000"] },
    ],
  },
  description:
    "The parameters by name, as sysctl prints them. A builder that is a virtual machine applies them at once, and the bake fails if its kernel doesn't know a name. A container (stack local) has its host's kernel: there, only the workers apply them.",
  examples: [{ "vm.max_map_count": 262144, "net.ipv4.ip_local_port_range": "1024 65000" }],
};

/** Sorts after all other files, including the distribution's 99-sysctl.conf: the last one wins. */
const file = "/etc/sysctl.d/99-worker.conf";

/** A container can't set its host's parameters. */
const inContainer = "systemd-detect-virt --quiet --container";

/** Records the file, and applies it if possible. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const parameters = Object.entries(settingsOf<Record<string, string | number>>(cfg, "sysctl", {}));
  root.packages({ apt: ["procps"], dnf: ["procps-ng"] });
  root.file(file, parameters.map(([name, value]) => `${name} = ${String(value).trim()}\n`).join(""));
  root.run(
    `if ${inContainer}; then echo "this builder is a container: the workers' own kernels get the parameters"\nelse sysctl --load=${file}; fi`,
  );
  for (const [name, value] of parameters) {
    const wanted = String(value).trim().replaceAll(/\s+/g, " ");
    root.check(
      `${name} is ${wanted}`,
      `grep --fixed-strings --line-regexp --quiet -- ${quote(`${name} = ${String(value).trim()}`)} ${file}
${inContainer} || [ "$(sysctl --values ${quote(name)} | tr -s '[:space:]' ' ' | sed 's/ $//')" = ${quote(wanted)} ]`,
    );
  }
}
