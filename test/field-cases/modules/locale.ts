// A German locale: everything after this module, including sealing, runs with translated messages.
// Source: kubernetes-sigs/image-builder and vagrant boxes set a system locale; see README.md.
import type { Root } from "../../../provision/module.ts";

export const description = "Sets a German locale for all accounts";

export function modify(_name: string, root: Root): void {
  root.packages(["locales"]);
  root.run(`
    sed -i 's/^# *\\(de_DE.UTF-8 UTF-8\\)/\\1/;s/^# *\\(tr_TR.UTF-8 UTF-8\\)/\\1/' /etc/locale.gen
    locale-gen
    update-locale LANG=de_DE.UTF-8 LC_MESSAGES=de_DE.UTF-8
    sed -i '/^LC_ALL=/d' /etc/environment
    echo 'LC_ALL=de_DE.UTF-8' >>/etc/environment`);
  root.check(
    "messages are German",
    `LC_ALL=de_DE.UTF-8 ls /nowhere 2>&1 | grep -q 'Datei oder Verzeichnis nicht gefunden'`,
  );
  root.check("the locale is set", `grep -qx LC_ALL=de_DE.UTF-8 /etc/environment && grep -q de_DE /etc/default/locale`);
}
