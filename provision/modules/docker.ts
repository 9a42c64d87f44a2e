// Installs Docker. The group docker is created first, with a fixed number, so that files and containers that refer to
// the number work on every worker. The login user is a member, so that jobs run docker without root.
//
// Tested with Debian's packages. Docker's own repository could not be reached from the test environment.
import { UserError } from "../../common/user-error.ts";
import { containerDropIn } from "./shared/docker.ts";
import type { BuildConfiguration, Distribution, Root } from "../module.ts";
import { addRepository } from "./shared/repositories.ts";
import { isInstalled, settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Installs Docker, with the login user in its group";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    gid: {
      type: "integer",
      minimum: 1,
      maximum: 59999,
      default: 55,
      description: "The number of the group docker.",
      examples: [999],
    },
    users: {
      type: "array",
      uniqueItems: true,
      items: { type: "string", pattern: "^[a-z_][a-z0-9_-]{0,30}$" },
      default: [],
      description: "More members of the group, in addition to the login user. They must exist when the module runs.",
      examples: [["jenkins"]],
    },
    packages: {
      type: "string",
      enum: ["distribution", "upstream"],
      description:
        "Whose packages: the distribution's (the default on Debian, Ubuntu and Amazon Linux), or those of Docker's own repository (the default on Rocky and CentOS).",
      examples: ["upstream"],
    },
    daemon: {
      type: "object",
      description: "The content of /etc/docker/daemon.json.",
      examples: [{ "log-driver": "local", "registry-mirrors": ["https://mirror.example.com"] }],
    },
  },
};

/** The settings under `docker`. */
interface Settings {
  gid?: number;
  users?: string[];
  packages?: "distribution" | "upstream";
  daemon?: object;
}

/**
 * Records the group, its members, the packages and the service.
 * @throws UserError on a distribution without systemd or without the requested packages.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const given = settingsOf<Settings>(cfg, "docker", {});
  const { gid = settings.properties.gid.default, users = [], daemon } = given;
  const source = given.packages ?? (distributionPackages(root.distribution) ? "distribution" : "upstream");
  const members = [...new Set([root.loginUser, ...users])].filter((user) => user !== "root");
  makeGroup(root, gid, members);
  if (daemon) root.file("/etc/docker/daemon.json", `${JSON.stringify(daemon, undefined, 2)}\n`);
  root.run(containerDropIn);
  const packages = source === "upstream" ? upstream(name, root) : fromDistribution(name, root.distribution);
  // Docker can start no container where the kernel has AppArmor and its tools are missing. They are only recommended.
  root.packages(root.distribution.family === "debian" ? [...packages, "apparmor"] : packages);
  root.enable("docker.service");
  root.check("docker is installed", isInstalled(root.distribution, packages[0] ?? "docker"));
  root.check("docker is enabled at boot", "systemctl --quiet is-enabled docker.service");
  root.check("docker is running", "systemctl --quiet is-active docker.service && docker info >/dev/null");
  for (const user of members)
    root.check(`the user ${user} may use docker`, `runuser -u ${quote(user)} -- docker version >/dev/null`);
}

function makeGroup(root: Root, gid: number, members: string[]): void {
  root.run(
    [
      `if ! getent group docker >/dev/null; then`,
      `  holder=$(getent group ${gid} | cut -d: -f1 || true)`,
      `  if [ -n "$holder" ]; then echo "docker: the group $holder has the number ${gid} already: choose another one as docker.gid" >&2; exit 1; fi`,
      `  groupadd --gid ${gid} docker`,
      `fi`,
      `if [ "$(getent group docker | cut -d: -f3)" != ${gid} ]; then groupmod --gid ${gid} docker; fi`,
      ...members.map((user) => `usermod --append --groups docker ${quote(user)}`),
    ].join("\n"),
  );
  root.check(`the group docker has the number ${gid}`, `[ "$(getent group docker | cut -d: -f3)" = ${gid} ]`);
  for (const user of members)
    root.check(`the user ${user} is in the group docker`, `id -nG ${quote(user)} | tr ' ' '\\n' | grep -qx docker`);
}

/** The distribution's own Docker packages, the engine first. */
function distributionPackages({ family, name }: Distribution): string[] | undefined {
  if (family === "debian") return ["docker.io"];
  return name === "amazon" ? ["docker"] : undefined;
}

function fromDistribution(name: string, distribution: Distribution): string[] {
  const packages = distributionPackages(distribution);
  if (packages) return packages;
  throw new UserError({
    where: `module ${name}`,
    key: "docker.packages",
    found: `${distribution.id} has no Docker`,
    allowed: "upstream",
  });
}

/** Docker's own repository and keys, from docs.docker.com/engine/install for each distribution. */
function upstream(name: string, root: Root): string[] {
  const { family, name: distribution, id, codename, version } = root.distribution;
  if (distribution === "amazon")
    throw new UserError({
      where: `module ${name}`,
      key: "docker.packages",
      found: `Docker has no packages for ${id}`,
      allowed: "distribution",
    });
  const site = "https://download.docker.com/linux";
  if (family === "debian")
    addRepository(root, {
      name: "docker",
      url: `${site}/${distribution}`,
      suites: [codename ?? version],
      components: ["stable"],
      key_url: `${site}/${distribution}/gpg`,
      key_sha256: "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570",
    });
  else
    addRepository(root, {
      name: "docker",
      url: `${site}/centos/${version}/$basearch/stable`,
      key_url: `${site}/centos/gpg`,
      key_fingerprint: "060A61C51B558A7F742B77AAC52FEB6B621E9F35",
    });
  return ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"];
}
