// Describes the differences between two generations of an image.
import { explainChange, type PlanDescription } from "../provision/plan/explain.ts";

/** An installed package. */
export interface InstalledPackage {
  name: string;
  version: string;
}

/** A generation's content, as far as it is known. */
export interface ComparedImage {
  plan: PlanDescription;
  packages?: readonly InstalledPackage[];
  /** The image's size in bytes, if known. */
  bytes?: number;
}

/**
 * Compares two generations.
 * @returns one line per difference: the recipe's changes; then packages that were added (`+`), removed (`-`) or changed
 * in version (`~`); then the size.
 */
export function compareImages(before: ComparedImage, after: ComparedImage): string[] {
  const lines = explainChange(before.plan, after.plan);
  if (before.packages && after.packages) lines.push(...comparePackages(before.packages, after.packages));
  else lines.push("packages: cannot be compared, only images on this computer list them");
  if (before.bytes !== undefined && after.bytes !== undefined) {
    const [old, now] = [mebibytes(before.bytes), mebibytes(after.bytes)];
    if (old !== now) lines.push(`size: ${old} MiB => ${now} MiB`);
  }
  return lines;
}

/** The packages' part of {@link compareImages}, sorted by name. */
export function comparePackages(before: readonly InstalledPackage[], after: readonly InstalledPackage[]): string[] {
  // Several versions of a package can be installed side by side: kernels, gpg keys.
  const [old, now] = [versionsByName(before), versionsByName(after)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((name) => {
    const [had, has] = [old.get(name), now.get(name)];
    if (had === has) return [];
    if (had === undefined) return [`+ ${name} ${has}`];
    if (has === undefined) return [`- ${name} ${had}`];
    return [`~ ${name} ${had} => ${has}`];
  });
}

function versionsByName(packages: readonly InstalledPackage[]): Map<string, string> {
  const versions = new Map<string, string[]>();
  for (const { name, version } of packages) versions.set(name, [...(versions.get(name) ?? []), version]);
  return new Map([...versions].map(([name, all]) => [name, all.sort().join(", ")]));
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
