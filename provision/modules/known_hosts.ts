// Gives root a known_hosts file with the keys of hosts that jobs connect to by SSH.
import type { BuildConfiguration, Root } from "../module.ts";
import { keepScript } from "../seal/kept.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Writes /root/.ssh/known_hosts, which some jobs need to exist";

export const settings = {
  type: "array",
  description: "Hosts with their keys. Without any, the file is empty.",
  default: [],
  examples: [[{ host: "git.example.com", keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"] }]],
  items: {
    type: "object",
    additionalProperties: false,
    required: ["host", "keys"],
    properties: {
      host: {
        type: "string",
        pattern: "^[A-Za-z0-9.:,*?!\\[\\]_-]+$",
        description: "A host name or address, or several separated by commas; `[host]:2222` for a port other than 22.",
        examples: ["git.example.com,192.0.2.7"],
      },
      keys: {
        type: "array",
        minItems: 1,
        items: { type: "string", pattern: "^[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\\n]*)?$" },
        description: "The host's public keys, as ssh-keyscan prints them after the name.",
        examples: [["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"]],
      },
    },
  },
};

/** One host of the setting `known_hosts`. */
interface Host {
  host: string;
  keys: string[];
}

const path = "/root/.ssh/known_hosts";

/** Records the file, and that sealing must keep it. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const hosts = settingsOf<Host[]>(cfg, "known_hosts", []);
  const lines = hosts.flatMap(({ host, keys }) => keys.map((key) => `${host} ${key}\n`));
  root.run(`install -d -m 0700 /root/.ssh`);
  root.file(path, lines.join(""), { mode: "0600" });
  root.run(keepScript(path));
  root.check(`${path} exists with mode 0600`, `[ "$(stat -c %a:%U ${path})" = 600:root ]`, { independent: true });
}
