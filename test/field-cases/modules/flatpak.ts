// A flatpak runtime from a local repository. Flathub can't be reached here.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs a flatpak from a local repository";

export function modify(_name: string, root: Root): void {
  root.packages(["flatpak", "flatpak-builder", "ostree", "busybox-static"]);
  root.run(`
    work=$(mktemp -d /var/tmp/field-flatpak.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    mkdir -p sdk/files/bin sdk/usr/bin
    cp /bin/busybox sdk/files/bin/sh
    printf '[Runtime]\\nname=org.example.Platform\\nruntime=org.example.Platform/x86_64/1\\nsdk=org.example.Platform/x86_64/1\\n' >sdk/metadata
    flatpak build-export repo sdk 1
    flatpak remote-add --system --if-not-exists --no-gpg-verify field-local "$work/repo"
    flatpak install --system -y --noninteractive field-local org.example.Platform/x86_64/1
    flatpak remote-modify --system --no-enumerate field-local`);
  root.check(
    "the runtime is installed",
    "flatpak list --system --runtime --columns=application | grep -qx org.example.Platform",
  );
  root.check("flatpak's repository is intact", "ostree --repo=/var/lib/flatpak/repo fsck", { timeoutSeconds: 180 });
}
