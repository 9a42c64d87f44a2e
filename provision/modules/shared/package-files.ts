// Shared by the modules that install package files: finds the files among the uploads, and records the installed
// packages for the acceptance tests.
import { ownFolder } from "../../seal/kept.ts";
import { quoteAll } from "../../shell/shell.ts";

/** The kinds of package files. */
export type PackageFormat = "deb" | "rpm";

/** The list of packages installed from files. It stays in the image for its tests. */
export function namesFile(format: PackageFormat): string {
  return `${ownFolder}/installed-${format}s`;
}

/**
 * Script lines that set the arrays `uploads` (the given paths) and `files` (all package files at or under them,
 * sorted), and fail if a path has none.
 */
export function findFiles(uploads: string[], format: PackageFormat): string[] {
  return [
    `uploads=(${quoteAll(uploads)})`,
    `files=()`,
    `for upload in "\${uploads[@]}"; do`,
    `  mapfile -t found < <(find "$upload" -type f -name '*.${format}' | LC_ALL=C sort)`,
    `  if [ "\${#found[@]}" -eq 0 ]; then echo "there is no ${format} file at or beneath $(basename "$upload")" >&2; exit 1; fi`,
    `  files+=("\${found[@]}")`,
    `done`,
  ];
}

/**
 * Script lines that record the names of the packages in `files`.
 * @param query A command that prints the package name of `"$file"`.
 */
export function rememberNames(format: PackageFormat, query: string): string[] {
  return [
    `install -d ${ownFolder}`,
    `for file in "\${files[@]}"; do ${query}; done | LC_ALL=C sort -u >${namesFile(format)}`,
  ];
}
