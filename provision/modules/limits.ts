// Sets resource limits for processes of users and services, above all of open files, which parallel builds run out of.
// Users get the limits when they log in (by PAM), services when they start: a job of an agent that is a service has no
// login.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { UserError } from "../../common/user-error.ts";
import { quote } from "../shell/shell.ts";

export const description = "Sets limits on open files, processes and the like, for logins and services";
export const settingsRequired = true;

/** Limits: the option of bash's ulimit, the name in systemd, and systemd's unit for the number in limits.conf(5). */
const known: Readonly<Record<string, { ulimit: string; systemd: string; unit?: string; factor?: number }>> = {
  as: { ulimit: "v", systemd: "AS", unit: "K" },
  core: { ulimit: "c", systemd: "CORE", unit: "K" },
  // limits.conf has minutes, ulimit seconds.
  cpu: { ulimit: "t", systemd: "CPU", unit: "min", factor: 60 },
  data: { ulimit: "d", systemd: "DATA", unit: "K" },
  fsize: { ulimit: "f", systemd: "FSIZE", unit: "K" },
  memlock: { ulimit: "l", systemd: "MEMLOCK", unit: "K" },
  msgqueue: { ulimit: "q", systemd: "MSGQUEUE" },
  nofile: { ulimit: "n", systemd: "NOFILE" },
  nproc: { ulimit: "u", systemd: "NPROC" },
  rtprio: { ulimit: "r", systemd: "RTPRIO" },
  sigpending: { ulimit: "i", systemd: "SIGPENDING" },
  stack: { ulimit: "s", systemd: "STACK", unit: "K" },
};

const amount = {
  anyOf: [
    { type: "integer", minimum: 0, description: "A number.", examples: [65536] },
    { type: "string", enum: ["unlimited"], description: "No limit.", examples: ["unlimited"] },
  ],
};

export const settings = {
  type: "array",
  minItems: 1,
  description:
    "The limits. Those of all users (`*`) apply to root and services as well. Numbers are as in limits.conf(5): sizes in KiB, cpu in minutes.",
  examples: [
    [{ limit: "nofile", soft: 65536, hard: 1048576 }],
    [
      { limit: "memlock", soft: "unlimited", hard: "unlimited" },
      { limit: "nproc", user: "@builders", soft: 4096, hard: 8192 },
    ],
  ],
  items: {
    type: "object",
    additionalProperties: false,
    required: ["limit", "soft", "hard"],
    properties: {
      limit: { type: "string", enum: Object.keys(known), description: "What is limited.", examples: ["nofile"] },
      user: {
        type: "string",
        pattern: "^(\\*|@?[a-z_][a-z0-9_-]{0,30})$",
        default: "*",
        description: "A user, a group (`@builders`), or everybody (`*`, including root and services).",
        examples: ["@builders"],
      },
      soft: {
        ...amount,
        description: "The limit of a new process, which can raise it up to `hard`.",
        examples: [65536],
      },
      hard: { ...amount, description: "The most a process can have.", examples: [1048576] },
    },
  },
};

/** One limit of the setting `limits`. */
interface Limit {
  limit: string;
  user?: string;
  soft: number | "unlimited";
  hard: number | "unlimited";
}

const loginFile = "/etc/security/limits.d/99-worker.conf";
const serviceFile = "/etc/systemd/system.conf.d/99-worker-limits.conf";

/** Bash that is true if root can raise limits: it has the capability CAP_SYS_RESOURCE, bit 24. */
const mayRaiseLimits = `(( 0x$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status) >> 24 & 1 ))`;

/**
 * Records the files for PAM and for systemd.
 * @throws UserError if `soft` is above `hard`, or `nofile` is unlimited.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const limits = settingsOf<Limit[]>(cfg, "limits", []);
  for (const [index, limit] of limits.entries()) refuseImpossible(`module ${name}`, `limits[${index}]`, limit);
  root.packages({ apt: ["libpam-modules"], dnf: ["pam"] });
  root.file(loginFile, limits.flatMap(loginLines).join(""));
  for (const limit of limits) loginCheck(root, limit);
  const forAll = limits.filter(({ user = "*" }) => user === "*");
  if (forAll.length > 0 && !root.distribution.init) forServices(root, forAll);
}

function refuseImpossible(where: string, key: string, { limit, soft, hard }: Limit): void {
  const amountOf = (value: number | "unlimited") => (value === "unlimited" ? Infinity : value);
  if (limit === "nofile" && (soft === "unlimited" || hard === "unlimited")) {
    throw new UserError({
      ...{ where, key, found: "nofile: unlimited" },
      allowed: "a number of at most the kernel's fs.nr_open, which is 1048576 unless sysctl sets it",
      cure: "hard: 1048576",
    });
  }
  if (amountOf(soft) > amountOf(hard)) {
    throw new UserError({ where, key, found: `soft: ${soft}, hard: ${hard}`, allowed: "soft is at most hard" });
  }
}

function loginLines({ limit, user = "*", soft, hard }: Limit): string[] {
  // `*` does not include root.
  const users = user === "*" ? ["*", "root"] : [user];
  return users.flatMap((each) => [`${each} soft ${limit} ${soft}\n`, `${each} hard ${limit} ${hard}\n`]);
}

function loginCheck(root: Root, { limit, user = "*", soft, hard }: Limit): void {
  const { ulimit = "", factor = 1 } = known[limit] ?? {};
  const shown = (value: number | "unlimited") => (value === "unlimited" ? value : String(value * factor));
  const what = `${limit} is limited to ${soft}, at most ${hard}, for ${user === "*" ? "logins" : user}`;
  const lines = loginLines({ limit, user, soft, hard }).map((line) => quote(line.trimEnd()));
  const isSet = `for line in ${lines.join(" ")}; do grep --fixed-strings --line-regexp --quiet -- "$line" ${loginFile}; done`;
  // Group members are unknown here; and sudo and su, which run the checks, disable core files whatever the limit is.
  if (user.startsWith("@") || limit === "core") {
    root.check(what, isSet);
    return;
  }
  const su = `su ${quote(user === "*" ? root.loginUser : user)} --shell /bin/bash --command`;
  root.check(
    what,
    // A builder that is a container may be unable to exceed its host's limits.
    `\
if systemd-detect-virt --quiet --container && ! ${mayRaiseLimits}; then
  ${isSet}
else
  [ "$(${su} 'ulimit -S${ulimit}; ulimit -H${ulimit}' | tr '\\n' ' ')" = '${shown(soft)} ${shown(hard)} ' ]
fi`,
  );
}

function forServices(root: Root, limits: readonly Limit[]): void {
  const lines = limits.map(({ limit, soft, hard }) => {
    const { systemd = "", unit = "" } = known[limit] ?? {};
    const shown = (value: number | "unlimited") => (value === "unlimited" ? "infinity" : `${value}${unit}`);
    return `DefaultLimit${systemd}=${shown(soft)}:${shown(hard)}`;
  });
  root.file(serviceFile, `[Manager]\n${lines.join("\n")}\n`);
  // A reload does not read this file.
  root.run("systemctl daemon-reexec");
  for (const { limit, soft, hard } of limits) {
    const { systemd = "", unit } = known[limit] ?? {};
    const shown = (value: number | "unlimited") =>
      value === "unlimited" ? "infinity" : String(unit === "K" ? value * 1024 : value);
    root.check(
      `services get ${limit} ${soft}, at most ${hard}`,
      // How systemd shows a time depends on its version.
      limit === "cpu"
        ? `grep -q ^DefaultLimitCPU= ${serviceFile}`
        : `systemctl show | grep -qx DefaultLimit${systemd}=${shown(hard)}\nsystemctl show | grep -qx DefaultLimit${systemd}Soft=${shown(soft)}`,
    );
  }
}
