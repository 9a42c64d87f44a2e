// Shared by modules: reads settings, and checks packages.
import type { BuildConfiguration, Distribution, Packages } from "../../module.ts";
import { quote } from "../../shell/shell.ts";

/**
 * A module's settings. They are checked against the module's schema before `modify` runs; this only adds the type.
 * @param key The key in the recipe: the module's `settingsKey`, or its name.
 * @param fallback The value if the recipe has nothing under that key.
 */
export function settingsOf<T>(cfg: BuildConfiguration, key: string, fallback: T): T {
  return (cfg[key] as T | undefined) ?? fallback;
}

/** The names for a distribution from a list of packages, without duplicates. */
export function packageNames(distribution: Distribution, packages: Packages): string[] {
  const lists = packages as { apt?: readonly string[]; dnf?: readonly string[] };
  return [
    ...new Set(Array.isArray(packages) ? (packages as readonly string[]) : (lists[distribution.packageManager] ?? [])),
  ];
}

/**
 * A check script: is this package installed? Ignores versions in the name (`git=1:2.39*`). A name that another package
 * provides (`awk`) counts as installed.
 */
export function isInstalled(distribution: Distribution, name: string): string {
  if (distribution.family === "redhat") return rpmIsInstalled(name);
  const bare = quote(name.replace(/[=/].*$/, ""));
  return [
    `status() { dpkg-query --show --showformat='\${db:Status-Status}\\n' ${bare} 2>/dev/null || true; }`,
    `providers() { dpkg-query --show --showformat='\${db:Status-Status} \${Provides},\\n' | sed -n 's/^installed //p'; }`,
    `[[ $(status) == *installed* && $(status) != *not-installed* ]] || providers | sed 's/ ([^)]*)//g; s/, */\\n/g' | grep --fixed-strings --line-regexp --quiet -- ${bare}`,
  ].join("\n");
}

/**
 * dnf also installs `glibc-devel.i686`, `nginx-1.20.1` and `python3-*`, and `rpm --whatprovides` knows none of these
 * forms. Other names keep their script, which is part of recipe hashes.
 */
function rpmIsInstalled(name: string): string {
  const provided = `rpm --quiet -q --whatprovides ${quote(name)}`;
  if (/[*?[]/.test(name)) return `[ -n "$(rpm -qa ${quote(name)})" ]`;
  return /\.|-\d/.test(name) ? `rpm --quiet -q ${quote(name)} || ${provided}` : provided;
}
