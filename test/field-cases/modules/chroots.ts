// A chroot for package builds, with device nodes, a mount and its own machine ID.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes a chroot for package builds";

export function modify(_name: string, root: Root): void {
  root.packages(["debootstrap", "schroot", "fakechroot", "fakeroot"]);
  root.run(`
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "bookworm" { print $1; exit }')
    [ -e /srv/chroot/bookworm/etc/debian_version ] || debootstrap --variant=minbase bookworm /srv/chroot/bookworm "$mirror"
    printf '[bookworm]\\ntype=directory\\ndirectory=/srv/chroot/bookworm\\nroot-users=root\\nprofile=minimal\\n' >/etc/schroot/chroot.d/bookworm.conf
    echo '00000000000000000000000000000001' >/srv/chroot/bookworm/etc/machine-id
    [ -e /srv/chroot/bookworm/dev/field ] || mknod -m 666 /srv/chroot/bookworm/dev/field c 1 3
    # Deliberately left mounted, as by a recipe that forgets to unmount.
    mountpoint -q /srv/chroot/bookworm/proc || mount -t proc proc /srv/chroot/bookworm/proc`);
  root.check(
    "schroot enters the chroot",
    '[ "$(schroot -c bookworm -d / -- cat /etc/debian_version | cut -d. -f1)" = 12 ]',
    { timeoutSeconds: 120 },
  );
  root.check(
    "the chroot has its device nodes",
    "[ -c /srv/chroot/bookworm/dev/field ] && [ -c /srv/chroot/bookworm/dev/null ]",
  );
}
