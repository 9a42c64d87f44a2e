// Adds third-party package repositories, each with the key that signs its packages: for module repositories, and for
// modules whose packages come from upstream (docker, zfs).
import { fetchScript } from "./download.ts";
import type { Root } from "../../module.ts";
import { aptUpdate } from "../../plan/root.ts";
import { quote, quoteAll } from "../../shell/shell.ts";

/** A third-party repository. Its key is given as text, or as an address with a digest or fingerprint. */
export interface PackageRepository {
  /** The name of its files: letters, digits, `.`, `_` and `-`. */
  name: string;
  /** Its address: `URIs` of apt, `baseurl` of dnf (with `$releasever` and `$basearch` if needed). */
  url: string;
  /** apt only: defaults to the distribution's code name. A suite that ends with `/` is a flat repository. */
  suites?: readonly string[];
  /** apt only: defaults to `main`; none for a flat repository. */
  components?: readonly string[];
  /** The public key, armored. */
  key?: string;
  /** The address of the public key, `https://...`. */
  key_url?: string;
  /** The sha256 of that file. */
  key_sha256?: string;
  /** The fingerprint of the only key in that file, 40 hex digits. */
  key_fingerprint?: string;
}

/** Records a repository: its key, its file, and the update of the package lists. */
export function addRepository(root: Root, repository: PackageRepository): void {
  const { name, key } = repository;
  if (key === undefined) {
    root.packages({ apt: ["ca-certificates", "curl"], dnf: ["ca-certificates", "/usr/bin/curl"] });
    if (repository.key_fingerprint !== undefined) root.packages({ apt: ["gnupg"], dnf: ["gnupg2"] });
  }
  const isApt = root.distribution.packageManager === "apt";
  const add = isApt ? aptScript(root, repository) : rpmScript(root, repository);
  root.run(
    [
      `work=$(mktemp -d /var/tmp/ci-images-key.XXXXXX)`,
      `trap 'rm -rf "$work"' EXIT`,
      key === undefined ? fetchKey(repository) : `printf '%s\\n' ${quote(key.trimEnd())} >"$work/key"`,
      add,
    ].join("\n"),
  );
  root.check(`the repository ${name} is there, with its signing key`, isApt ? aptCheck(repository) : rpmCheck(name));
}

function fetchKey({ key_url = "", key_sha256, key_fingerprint }: PackageRepository): string {
  const lines = [fetchScript({ url: key_url, sha256: key_sha256 }, undefined, '"$work/key"')];
  if (key_fingerprint !== undefined)
    // Exactly one key: a second one in the file would be trusted as well.
    lines.push(
      `found=$(GNUPGHOME=$work gpg --batch --quiet --show-keys --with-colons "$work/key" | awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }')`,
      `if [ "$found" != ${quote(plainFingerprint(key_fingerprint))} ]; then`,
      `  echo "the key of the repository is another one than the recipe means: $found" >&2`,
      `  exit 1`,
      `fi`,
    );
  return lines.join("\n");
}

/** A fingerprint in gpg's machine-readable form, without the spaces that people add. */
function plainFingerprint(fingerprint: string): string {
  return fingerprint.replaceAll(/\s/g, "").toUpperCase();
}

function aptScript(root: Root, { name, url, suites, components }: PackageRepository): string {
  const { codename = "stable" } = root.distribution;
  const allSuites = suites ?? [codename];
  const isFlat = allSuites.every((suite) => suite.endsWith("/"));
  const stanza = [
    "Types: deb",
    `URIs: ${url}`,
    `Suites: ${allSuites.join(" ")}`,
    ...(isFlat ? [] : [`Components: ${(components ?? ["main"]).join(" ")}`]),
  ];
  const keyring = `/etc/apt/keyrings/${name}`;
  return [
    `install -d -m 0755 /etc/apt/keyrings`,
    `rm -f ${quote(`${keyring}.asc`)} ${quote(`${keyring}.gpg`)}`,
    // apt distinguishes the two kinds of key files by their names.
    `if grep -q -e '-----BEGIN PGP PUBLIC KEY BLOCK' "$work/key"; then keyring=${quote(`${keyring}.asc`)}; else keyring=${quote(`${keyring}.gpg`)}; fi`,
    `install -m 0644 "$work/key" "$keyring"`,
    `printf '%s\\n' ${quoteAll(stanza)} "Signed-By: $keyring" >${quote(`/etc/apt/sources.list.d/${name}.sources`)}`,
    aptUpdate,
  ].join("\n");
}

function aptCheck({ name, url }: PackageRepository): string {
  const keyring = quote(`/etc/apt/keyrings/${name}`);
  return [
    `keyring=${keyring}.asc`,
    `[ -s "$keyring" ] || keyring=${keyring}.gpg`,
    `[ -s "$keyring" ]`,
    `grep -qxF -e "Signed-By: $keyring" ${quote(`/etc/apt/sources.list.d/${name}.sources`)}`,
    aptKnows("$(REPO_URI)", `${url.replace(/\/*$/, "")}/`),
  ].join("\n");
}

/**
 * A command that prints a line for each package list that apt knows, without writing a cache.
 * @param format See apt-get(8).
 */
export function indexTargets(format: string): string {
  const noCache = "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=";
  return `apt-get ${noCache} indextargets --format ${quote(format)} 'Created-By: Packages'`;
}

/**
 * Bash that is true if apt knows a repository with this address, release or component. A sealed machine has no package
 * lists before its first `apt-get update`: there, it reads the sources themselves.
 */
export function aptKnows(field: "$(REPO_URI)" | "$(RELEASE)" | "$(COMPONENT)", value: string): string {
  return `\
known=$(${indexTargets(field)})
if [ -z "$known" ]; then
  known=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v '^ *#' | tr -s ' \\t' '\\n' | sed 's,^\\(.*://.*[^/]\\)$,\\1/,')
fi
grep -qxF -e ${quote(value)} <<<"$known"`;
}

function rpmScript(root: Root, { name, url }: PackageRepository): string {
  const key = `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`;
  const lines = [`[${name}]`, `name=${name}`, `baseurl=${url}`, "enabled=1", "gpgcheck=1", `gpgkey=file://${key}`];
  const command = root.distribution.packageCommand ?? "dnf";
  return [
    `install -D -m 0644 "$work/key" ${quote(key)}`,
    `rpm --import ${quote(key)}`,
    `printf '%s\\n' ${quoteAll(lines)} >${quote(`/etc/yum.repos.d/${name}.repo`)}`,
    `${command} -y --disablerepo='*' --enablerepo=${quote(name)} makecache`,
  ].join("\n");
}

function rpmCheck(name: string): string {
  const file = quote(`/etc/yum.repos.d/${name}.repo`);
  const key = quote(`/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`);
  return `[ -s ${key} ] && grep -qx gpgcheck=1 ${file} && grep -qx enabled=1 ${file}`;
}
