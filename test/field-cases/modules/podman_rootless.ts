// Rootless podman: an image imported from a tar archive, and a container.
import type { Root } from "../../../provision/module.ts";

export const description = "Imports an image into an account's podman storage";

export function modify(_name: string, root: Root): void {
  root.packages([
    "podman",
    "uidmap",
    "slirp4netns",
    "fuse-overlayfs",
    "busybox-static",
    "dbus-user-session",
    "buildah",
    "skopeo",
    "crun",
  ]);
  root.run(`
    id field-podman >/dev/null 2>&1 || useradd --create-home field-podman
    grep -q '^field-podman:' /etc/subuid
    work=$(mktemp -d /opt/field-podman.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/root/bin"; cp /bin/busybox "$work/root/bin/"; ln -s busybox "$work/root/bin/sh"
    tar -C "$work/root" -cf "$work/root.tar" .
    chmod 755 "$work"
    loginctl enable-linger field-podman
    for ((i = 0; i < 50; i++)); do [ -d "/run/user/$(id -u field-podman)" ] && break; sleep 0.2; done
    cd /
    runuser -l field-podman -c "XDG_RUNTIME_DIR=/run/user/$(id -u field-podman) podman import $work/root.tar localhost/field:1"`);
  root.check(
    "the account has the image",
    `runuser -l field-podman -c "XDG_RUNTIME_DIR=/run/user/$(id -u field-podman) podman image exists localhost/field:1"`,
  );
  root.check(
    "a container runs on the image",
    `systemd-detect-virt --quiet --container || [ "$(runuser -l field-podman -c "XDG_RUNTIME_DIR=/run/user/$(id -u field-podman) podman run --rm --network none localhost/field:1 /bin/busybox echo hello")" = hello ]`,
    { timeoutSeconds: 240 },
  );
}
