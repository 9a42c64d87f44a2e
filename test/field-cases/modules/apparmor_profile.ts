// A custom AppArmor profile that confines a program.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Confines a program with AppArmor";

export function modify(_name: string, root: Root): void {
  root.packages(["apparmor", "apparmor-utils"]);
  root.run("cp /bin/cat /usr/local/bin/field-cat");
  root.file(
    "/etc/apparmor.d/usr.local.bin.field-cat",
    "#include <tunables/global>\n/usr/local/bin/field-cat {\n  #include <abstractions/base>\n  /usr/local/bin/field-cat mr,\n  /etc/os-release r,\n  /usr/lib/os-release r,\n}\n",
  );
  root.run("apparmor_parser --skip-kernel-load --skip-cache /etc/apparmor.d/usr.local.bin.field-cat");
  root.check(
    "the program can read only what the profile allows",
    `${onBuilder} || { /usr/local/bin/field-cat /etc/os-release >/dev/null && ! /usr/local/bin/field-cat /etc/passwd; }`,
  );
}
