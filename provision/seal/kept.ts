// The lists of what a recipe keeps although sealing would remove it. Modules add to them; sealing and its checks read
// them. They stay in the image, so that it can be audited later.
import { quoteAll } from "../shell/shell.ts";

/** The folder in an image for our own records. */
export const ownFolder = "/usr/lib/ci-images";

/** Paths, one per line: these files, and everything under these folders, stay. */
export const keptPathsFile = `${ownFolder}/kept-paths`;

/**
 * Paths, one per line, that sealing kept only because a module has made or changed them. Sealing writes the list for
 * later checks. `hold:NAME` is a package that a module has put on hold.
 */
export const madePathsFile = `${ownFolder}/made-paths`;

/** What sealing did: `kept`, `removed` or `changed`, tab, the checklist entry, tab, the path. */
export const sealingReportFile = `${ownFolder}/sealing`;

/** The result of the builder's last check, while it stops: `ok`, or lines of findings. */
export const lastLookFile = `${ownFolder}/after-stop`;

/** Swap files that modules have made: bytes, tab, the path. */
export const swapFilesFile = `${ownFolder}/swap-files`;

/** Keys that the machine makes on first boot: path, mode and owner. */
export const keyListFile = `${ownFolder}/first-boot-keys`;

/**
 * File flags in the form of `chattr`, tab, the path: to restore them if writing the disk, or reading it as a base, loses
 * them.
 */
export const fileFlagsFile = `${ownFolder}/file-flags`;

/** Public keys as in authorized_keys, one per line, that may log in to the image. All others are removed. */
export const keptKeysFile = `${ownFolder}/kept-authorized-keys`;

/** Paths of files, one per line, that may hold a secret of the bake because the recipe allows it. */
export const keptSecretsFile = `${ownFolder}/kept-secrets`;

/** Lines of environment files that look like secrets and stay, because the recipe has them in plain text. */
export const keptLinesFile = `${ownFolder}/kept-lines`;

/** A script for modules that write lines which `isSecretLine` takes for secrets. May run twice. */
export function keepLinesScript(lines: string[]): string {
  return addLines(keptLinesFile, lines);
}

/**
 * A script for modules that add files which sealing would otherwise remove: a known_hosts file, a TLS key. May run
 * twice.
 * @param paths Absolute paths.
 */
export function keepScript(...paths: string[]): string {
  return addLines(keptPathsFile, paths);
}

/**
 * A script for modules that put a secret into the image on purpose, such as a deploy key: sealing keeps these files,
 * and doesn't fail the bake if it finds the secret in them. May run twice.
 * @param paths Absolute paths of files.
 */
export function keepSecretScript(...paths: string[]): string {
  return `${keepScript(...paths)}\n${addLines(keptSecretsFile, paths)}`;
}

function addLines(file: string, lines: string[]): string {
  return [
    `install -d ${ownFolder}`,
    `touch ${file}`,
    `for line in ${quoteAll(lines)}; do`,
    `  grep --fixed-strings --line-regexp --quiet -- "$line" ${file} || printf '%s\\n' "$line" >>${file}`,
    `done`,
  ].join("\n");
}
