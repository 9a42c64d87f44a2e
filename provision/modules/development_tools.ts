// Installs tools for building C and C++ programs: compilers, make, autotools, a debugger. For more packages use
// install_packages.
import type { Root } from "../module.ts";
import { isInstalled } from "./shared/module-settings.ts";

export const description = "Installs compilers, make, autotools and a debugger";

/** Debian and Ubuntu have no package group: these packages match Red Hat's, plus what jobs use. */
const debian = [
  "build-essential",
  "autoconf",
  "automake",
  "bison",
  "flex",
  "gdb",
  "gettext",
  "libtool",
  "patch",
  "pkg-config",
];

/** Records the packages. On Red Hat's family this is the distribution's own group (Development Tools). */
export function modify(_name: string, root: Root): void {
  root.packages({ apt: debian, dnf: ["@development"] });
  for (const name of root.distribution.packageManager === "apt" ? debian : [])
    root.check(`the package ${name} is installed`, isInstalled(root.distribution, name));
  root.check("a C and a C++ program can be built", compile);
  root.check("make runs", "make --version && autoconf --version");
}

const compile = `\
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf 'int main(void) { return 0; }\\n' >"$folder/program.c"
printf '#include <string>\\nint main() { return std::string("").size(); }\\n' >"$folder/program.cc"
gcc -o "$folder/c" "$folder/program.c" && "$folder/c"
g++ -o "$folder/cc" "$folder/program.cc" && "$folder/cc"`;
