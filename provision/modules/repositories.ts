// Adds package repositories: more parts of the distribution's own by name (EPEL, universe, contrib), and third-party
// ones with the key that signs their packages. Each key is trusted only for its own repository (Signed-By, gpgkey).
//
// Tested on Debian 12. EPEL, crb and rpm repositories were checked only by shellcheck, because no Red Hat root was
// available.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Distribution, Root } from "../module.ts";
import { addRepository, aptKnows, indexTargets, type PackageRepository } from "./shared/repositories.ts";
import { aptUpdate } from "../plan/root.ts";
import { isInstalled, settingsOf } from "./shared/module-settings.ts";

export const description = "Adds package repositories, each with its signing key";
export const settingsRequired = true;

const word = { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._/+-]*$" };

const repository = {
  type: "object",
  additionalProperties: false,
  required: ["name", "url"],
  properties: {
    name: {
      type: "string",
      pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
      description: "The name of its files.",
      examples: ["example"],
    },
    url: {
      type: "string",
      pattern: "^(https?|file)://[^\\s\"']+$",
      description: "Its address: apt's URIs, or dnf's baseurl.",
      examples: ["https://packages.example.com/debian"],
    },
    suites: {
      type: "array",
      minItems: 1,
      items: { ...word, pattern: "^[A-Za-z0-9./][A-Za-z0-9._/+-]*$" },
      description: "apt only; by default, the distribution's code name. `./` for a repository without suites.",
      examples: [["stable"]],
    },
    components: {
      type: "array",
      minItems: 1,
      items: word,
      description: "apt only; by default `main`.",
      examples: [["stable"]],
    },
    key: {
      type: "string",
      pattern: "^\\s*-----BEGIN PGP PUBLIC KEY BLOCK-----",
      description: "Its public key, armored. Give this or `key_url`.",
      examples: ["-----BEGIN PGP PUBLIC KEY BLOCK-----\n...\n-----END PGP PUBLIC KEY BLOCK-----\n"],
    },
    key_url: {
      type: "string",
      pattern: "^https://[^\\s]+$",
      description: "The address of its public key. Requires `key_sha256` or `key_fingerprint`.",
      examples: ["https://packages.example.com/key.asc"],
    },
    key_sha256: {
      type: "string",
      pattern: "^[0-9a-fA-F]{64}$",
      description: "The sha256 of the key's file.",
      examples: ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    },
    key_fingerprint: {
      type: "string",
      pattern: "^([0-9a-fA-F]\\s*){40}$",
      description: "The fingerprint of the key. The file must contain no other key.",
      examples: ["9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"],
    },
  },
  oneOf: [
    { required: ["key"] },
    { required: ["key_url", "key_sha256"] },
    { required: ["key_url", "key_fingerprint"], not: { required: ["key_sha256"] } },
  ],
};

const known = {
  apt: {
    ubuntu: ["universe", "multiverse", "restricted"],
    debian: ["contrib", "non-free", "non-free-firmware", "backports"],
  },
  dnf: ["epel", "crb"],
};
const allKnown = [...known.apt.ubuntu, ...known.apt.debian, ...known.dnf];

const list = {
  type: "array",
  minItems: 1,
  items: {
    anyOf: [
      { type: "string", enum: allKnown, description: "A part of the distribution itself.", examples: ["universe"] },
      repository,
    ],
  },
};

export const settings = {
  description: "The repositories: one list, or one for each package manager.",
  examples: [
    ["universe"],
    {
      apt: [
        {
          name: "example",
          url: "https://packages.example.com/debian",
          key_url: "https://packages.example.com/key.asc",
          key_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        },
      ],
      dnf: ["epel"],
    },
  ],
  anyOf: [
    list,
    {
      type: "object",
      additionalProperties: false,
      minProperties: 1,
      properties: {
        apt: { ...list, description: "On Debian and Ubuntu.", examples: [["universe"]] },
        dnf: { ...list, description: "On Rocky, CentOS and Amazon Linux.", examples: [["epel"]] },
      },
    },
  ],
};

type Entry = string | PackageRepository;

/**
 * Records the repositories.
 * @throws UserError if there is no list for the distribution, the distribution has no part of that name, or dnf is
 *   given suites or components.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const given = settingsOf<Entry[] | { apt?: Entry[]; dnf?: Entry[] }>(cfg, "repositories", []);
  const { id, packageManager } = root.distribution;
  const entries = Array.isArray(given) ? given : (given[packageManager] ?? []);
  const where = `module ${name}`;
  if (entries.length === 0)
    throw new UserError({
      where,
      key: "repositories",
      found: `there is no list for ${packageManager}, which ${id} uses`,
      allowed: `a list "${packageManager}", or one list for all`,
    });
  const names = knownTo(root.distribution);
  entries.forEach((entry, index) => {
    const key = Array.isArray(given) ? `repositories[${index}]` : `repositories.${packageManager}[${index}]`;
    if (typeof entry === "string") {
      if (!names.includes(entry))
        throw new UserError({ where, key, found: `${id} has no part "${entry}"`, allowed: names.join(", ") || "none" });
      addPart(root, entry);
    } else {
      if (packageManager === "dnf" && (entry.suites ?? entry.components))
        throw new UserError({ where, key, found: "suites or components, which only apt has", cure: "leave them out" });
      addRepository(root, entry);
    }
  });
}

function knownTo({ packageManager, name, version }: Distribution): readonly string[] {
  if (packageManager === "apt") {
    const all = name === "ubuntu" ? known.apt.ubuntu : known.apt.debian;
    // non-free-firmware exists since Debian 12.
    return Number(version) < 12 ? all.filter((each) => each !== "non-free-firmware") : all;
  }
  if (name === "amazon") return [];
  return version === "7" ? ["epel"] : known.dnf;
}

function addPart(root: Root, part: string): void {
  if (part === "backports") addBackports(root);
  else if (root.distribution.packageManager === "apt") addComponent(root, part);
  else if (part === "epel") addEpel(root);
  else addCrb(root);
}

/**
 * Adds a component in our own file, with the distribution's addresses: cloud-init rewrites the distribution's file on
 * every machine, and that file has one of two formats.
 */
function addComponent(root: Root, component: string): void {
  const file = `/etc/apt/sources.list.d/ci-${component}.sources`;
  root.run(
    [
      `rm -f ${file}`,
      aptUpdate,
      keyOf,
      `${indexTargets("$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)")} | sort -u |`,
      `  awk -v component=${component} '`,
      `    $4 ~ /^(Debian|Ubuntu)$/ && $3 == "main" { found[$1 " " $2] = 1 }`,
      `    $3 == component { there[$1 " " $2] = 1 }`,
      `    END { for (each in found) if (!(each in there)) print each }' | sort |`,
      `  while read -r uri suite; do`,
      `    printf 'Types: deb\\nURIs: %s\\nSuites: %s\\nComponents: ${component}\\n' "$uri" "$suite"`,
      `    key=$(key_of "$uri")`,
      `    if [ -n "$key" ]; then echo "$key"; fi`,
      `    echo`,
      `  done >/var/tmp/ci-images-sources`,
      `if [ -s /var/tmp/ci-images-sources ]; then install -m 0644 /var/tmp/ci-images-sources ${file}; fi`,
      `rm -f /var/tmp/ci-images-sources`,
      aptUpdate,
    ].join("\n"),
  );
  root.check(`the packages of ${component} are known to apt`, aptKnows("$(COMPONENT)", component));
}

/**
 * Adds Debian's backports, at the release's own address. Nothing is installed from there unless install_packages
 * requests it by `NAME/CODENAME-backports`.
 */
function addBackports(root: Root): void {
  const suite = `${root.distribution.codename}-backports`;
  const file = "/etc/apt/sources.list.d/ci-backports.sources";
  root.run(
    [
      `rm -f ${file}`,
      aptUpdate,
      keyOf,
      `known=$(${indexTargets("$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)")} | sort -u)`,
      `if ! grep -q ' ${suite} ' <<<"$known"; then`,
      `  uri=$(awk '$2 == "${root.distribution.codename}" && $3 == "main" && $4 == "Debian" { print $1; exit }' <<<"$known")`,
      `  if [ -z "$uri" ]; then`,
      `    echo "no address of ${root.distribution.codename} itself is in apt's sources, beside which backports would be" >&2`,
      `    exit 1`,
      `  fi`,
      `  {`,
      `    printf 'Types: deb\nURIs: %s\nSuites: ${suite}\nComponents: main\n' "$uri"`,
      `    key_of "$uri"`,
      `  } >/var/tmp/ci-images-sources`,
      `  install -m 0644 /var/tmp/ci-images-sources ${file}`,
      `  rm -f /var/tmp/ci-images-sources`,
      `fi`,
      aptUpdate,
    ].join("\n"),
  );
  root.check(`the packages of ${suite} are known to apt`, aptKnows("$(RELEASE)", suite));
}

/**
 * Prints the Signed-By line of an address that is already in the sources, because apt refuses two different ones for
 * the same address.
 */
const keyOf = `\
key_of() {
  local uri=\${1%/}
  {
    find /etc/apt/sources.list.d -name '*.sources' -exec cat {} +
  } | awk -v uri="$uri" 'BEGIN { RS = ""; FS = "\\n" } {
    here = 0; key = ""
    for (i = 1; i <= NF; i++) {
      if ($i ~ /^URIs:/ && index($i, uri)) here = 1
      if ($i ~ /^Signed-By:./) key = $i
    }
    if (here && !done) { print key; done = 1 }
  }'
  sed -n "s|^deb .*signed-by=\\([^] ]*\\).*\\] *$uri.*|Signed-By: \\1|p" /etc/apt/sources.list 2>/dev/null | head -n 1 || true
}`;

/** Installs the distribution's own package, which includes Fedora's key and enables gpgcheck. */
function addEpel(root: Root): void {
  root.packages(["epel-release"]);
  root.check("the repository EPEL is there", isInstalled(root.distribution, "epel-release"));
  root.check(
    "packages of EPEL have their signatures checked",
    `grep -qx gpgcheck=1 /etc/yum.repos.d/epel.repo && ! grep -q '^gpgcheck=0' /etc/yum.repos.d/epel.repo`,
  );
}

function addCrb(root: Root): void {
  root.packages(["dnf-plugins-core"]);
  root.run("dnf config-manager --set-enabled crb");
  root.check("the repository crb is enabled", `names=$(dnf -q -C repolist --enabled)\ngrep -q '^crb ' <<<"$names"`);
}
