// Sends the workers' downloads through a proxy: packages, logins and their commands, services and Docker. Put it before
// the modules that download something: their steps have `http_proxy` and so on in their environment, whatever
// `environment` and `services` say. The values are in /etc/proxy.env. If the proxy needs a name and a password, both
// end up in the image (`keep_secret: true` confirms that), in files that only root can read. Processes on the worker
// see them in their environment, as every program that uses the proxy must.
import { UserError } from "../../common/user-error.ts";
import { proxyVariables } from "./shared/download.ts";
import { environmentFunctions } from "./shared/environment.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { keepSecretScript } from "../seal/kept.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Sends the workers' downloads through a proxy";
export const settingsRequired = true;

const address = { type: "string", pattern: "^https?://[A-Za-z0-9.-]+(:[0-9]+)?/?$" };

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["http"],
  dependencies: { password: ["username"] },
  examples: [
    { http: "http://proxy.example.com:3128", no_proxy: ["localhost", "127.0.0.1", "169.254.169.254", ".example.com"] },
    { http: "http://proxy.example.com:3128", username: "ci", password: "PASSWORD", keep_secret: true },
  ],
  properties: {
    http: {
      ...address,
      description: "The proxy for http, `http://host:port`, without name and password.",
      examples: ["http://proxy.example.com:3128"],
    },
    https: {
      ...address,
      description: "The proxy for https; by default, the one for http.",
      examples: ["http://proxy.example.com:3129"],
    },
    no_proxy: {
      type: "array",
      items: { type: "string", pattern: "^[A-Za-z0-9.:/*_-]+$" },
      // A cloud's metadata service answers only the machine itself, not a proxy.
      default: ["localhost", "127.0.0.1", "::1", "169.254.169.254", "metadata.google.internal"],
      description: "Hosts and domains (`.example.com`) to connect to directly.",
      examples: [["localhost", ".example.com"]],
    },
    username: {
      type: "string",
      pattern: "^[^\\n]+$",
      description: "The user name, if the proxy requires one.",
      examples: ["ci"],
    },
    password: {
      type: "string",
      pattern: "^[^\\n]+$",
      description: "The password, best as `{ secret: NAME }`.",
      examples: ["PASSWORD"],
    },
    keep_secret: {
      type: "boolean",
      default: false,
      description: "Confirms that the image will contain the password. Without it a password is refused.",
      examples: [true],
    },
    packages: { type: "boolean", default: true, description: "Whether apt or dnf use the proxy.", examples: [false] },
    environment: {
      type: "boolean",
      default: true,
      description: "Whether logins and SSH commands have http_proxy and so on in their environment.",
      examples: [false],
    },
    services: {
      type: "boolean",
      default: true,
      description: "Whether all services have them, too, including agents and Docker.",
      examples: [false],
    },
    docker: {
      type: "boolean",
      default: true,
      description: "Whether the Docker daemon pulls through the proxy, even if `services` is false.",
      examples: [false],
    },
  },
};

/** The settings under `proxy`. */
interface Settings {
  http: string;
  https?: string;
  no_proxy?: string[];
  username?: string;
  password?: string;
  keep_secret?: boolean;
  packages?: boolean;
  environment?: boolean;
  services?: boolean;
  docker?: boolean;
}

const aptFile = "/etc/apt/apt.conf.d/90-ci-proxy";
const dropIn = (unit: string) => `/etc/systemd/system/${unit}.d/ci-proxy.conf`;

/**
 * Records the proxy.
 * @throws UserError for a password without `keep_secret`, and for services if systemd is missing or too old (CentOS 7).
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const given = settingsOf<Settings>(cfg, "proxy", { http: "" });
  const { packages = true, environment = true, services = true, docker = true, username } = given;
  refuse(name, root, given, services, docker);
  const secretFiles = [proxyVariables];
  root.run(variablesScript(given));
  root.check(
    "the proxy's variables are in place",
    `grep -Eq '^http_proxy=https?://.' ${proxyVariables} && grep -Eq '^https_proxy=https?://.' ${proxyVariables} && [ "$(stat -c %a ${proxyVariables})" = ${modeFor(username)} ]`,
  );
  if (packages) secretFiles.push(forPackages(root, given));
  if (environment) secretFiles.push(forLogins(root, username));
  if (services) forUnit(root, "service", "all services");
  if (docker && !root.distribution.init) forUnit(root, "docker.service", "Docker");
  if (username !== undefined) root.run(keepSecretScript(...secretFiles));
}

function refuse(name: string, root: Root, given: Settings, services: boolean, docker: boolean): void {
  const where = `module ${name}`;
  if (given.password !== undefined && !given.keep_secret)
    throw new UserError({
      where,
      key: "proxy.password",
      found: "anyone who boots the image could read it",
      cure: "if that is intended, add `keep_secret: true`",
    });
  if (given.docker && docker) requireSystemd(name, root);
  // Drop-ins for all units of a type need systemd 244.
  if (services && (root.distribution.init !== undefined || root.distribution.id === "centos7"))
    throw new UserError({
      where,
      key: "proxy.services",
      found: `${root.distribution.id} has no setting for all services`,
      allowed: "false",
      cure: "set proxy.services to false, and proxy.docker if Docker should use the proxy",
    });
}

function modeFor(username: string | undefined): string {
  return username === undefined ? "644" : "600";
}

/** Assembles the variables on the builder, because secrets are not known before. */
function variablesScript({ http, https = http, no_proxy: direct, username, password }: Settings): string {
  const none = direct ?? settings.properties.no_proxy.default;
  const credentials =
    username === undefined
      ? "credentials="
      : password === undefined
        ? `credentials=$(encode ${quote(username)})@`
        : `credentials=$(encode ${quote(username)}):$(encode ${quote(password)})@`;
  return `\
encode() {
  local LC_ALL=C text=$1 index letter
  for ((index = 0; index < \${#text}; index++)); do
    letter=\${text:index:1}
    case $letter in
      [A-Za-z0-9._~-]) printf '%s' "$letter" ;;
      *) printf '%%%02X' "$(($(printf '%d' "'$letter") & 255))" ;;
    esac
  done
}
# The address of a proxy, with the name and the password in it.
proxy_address() {
  if [[ ! $1 =~ ^https?://[A-Za-z0-9.-]+(:[0-9]+)?/?$ ]]; then
    echo "proxy: a proxy's address has the form http://host:port, and nothing else in it" >&2
    return 1
  fi
  printf '%s' "\${1%%://*}://$credentials\${1#*://}"
}
${credentials}
http=$(proxy_address ${quote(http)})
https=$(proxy_address ${quote(https)})
none=${quote(none.join(","))}
(
  umask 077
  printf '%s\\n' "http_proxy=$http" "https_proxy=$https" "no_proxy=$none" "HTTP_PROXY=$http" "HTTPS_PROXY=$https" "NO_PROXY=$none" >${proxyVariables}.new
)
chmod ${modeFor(username)} ${proxyVariables}.new
mv ${proxyVariables}.new ${proxyVariables}`;
}

/** @returns the file that holds the proxy's address. */
function forPackages(root: Root, { no_proxy: direct, username }: Settings): string {
  const none = direct ?? settings.properties.no_proxy.default;
  if (root.distribution.packageManager === "apt") {
    // Only host names: apt supports neither domains nor networks here.
    const hosts = none.filter((each) => /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(each));
    const lines = hosts.flatMap((host) =>
      ["http", "https"].map((scheme) => `Acquire::${scheme}::Proxy::${host} "DIRECT";`),
    );
    root.run(`\
(
  umask 077
  . ${proxyVariables}
  # shellcheck disable=SC2154 # the file has them
  printf '%s\\n' "Acquire::http::Proxy \\"$http_proxy\\";" "Acquire::https::Proxy \\"$https_proxy\\";" >${aptFile}
  cat >>${aptFile} <<'END'
${lines.join("\n")}
END
)
chmod ${modeFor(username)} ${aptFile}`);
    root.check(
      "apt uses the proxy",
      `. ${proxyVariables}\n# shellcheck disable=SC2154 # the file has it\n[ "$(apt-config shell proxy Acquire::http::Proxy)" = "proxy='$http_proxy'" ]`,
    );
    return aptFile;
  }
  const file = root.distribution.packageCommand === "yum" ? "/etc/yum.conf" : "/etc/dnf/dnf.conf";
  root.run(`\
. ${proxyVariables}
sed -i '/^proxy\\s*=/d' ${file}
# shellcheck disable=SC2154 # the file has it
awk -v line="proxy=$https_proxy" '{ print } /^\\[main\\]/ { print line }' ${file} >${file}.new
cat ${file}.new >${file}
rm ${file}.new
chmod ${modeFor(username)} ${file}`);
  root.check(
    "dnf uses the proxy",
    `. ${proxyVariables}\n# shellcheck disable=SC2154 # the file has it\ngrep --fixed-strings --line-regexp --quiet -- "proxy=$https_proxy" ${file}`,
  );
  return file;
}

/** @returns the file that holds the proxy's address. */
function forLogins(root: Root, username: string | undefined): string {
  root.run(`\
${environmentFunctions}
while IFS='=' read -r variable value; do set_variable "$variable" "$value"; done <${proxyVariables}
chmod ${modeFor(username)} /etc/environment`);
  const login = `su ${quote(root.loginUser)} --shell /bin/bash --command`;
  root.check(
    "logins use the proxy",
    `for variable in http_proxy HTTPS_PROXY no_proxy; do
  value=$(sed -n "s/^$variable=//p" ${proxyVariables})
  [ -n "$value" ] && [ "$(${login} "printenv $variable")" = "$value" ]
done`,
  );
  return "/etc/environment";
}

function forUnit(root: Root, unit: string, who: string): void {
  // The dash allows a worker's owner to remove the file.
  root.file(dropIn(unit), `[Service]\nEnvironmentFile=-${proxyVariables}\n`);
  root.run("systemctl daemon-reload");
  const example = unit === "service" ? "systemd-journald.service" : unit;
  root.check(
    `${who} use${who === "Docker" ? "s" : ""} the proxy`,
    unit === "service"
      ? `systemctl show --property=EnvironmentFiles ${example} | grep -q '=${proxyVariables} '`
      : // Docker may be installed later, or not at all.
        `grep -q '=-${proxyVariables}$' ${dropIn(unit)}`,
  );
}
