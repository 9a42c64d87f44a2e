// Installs git, the distribution's package.
import type { Root } from "../module.ts";

export const description = "Installs git";

/** Records the package. */
export function modify(_name: string, root: Root): void {
  root.packages(["git"]);
  root.check("git is installed", "git --version");
}
