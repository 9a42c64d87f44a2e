#!/bin/sh
# Brings the boot partition up to date with the kernels in /boot: the newest one, which is booted, and one older to fall
# back on. Both boot loaders get the same choice: systemd-boot (UEFI) and syslinux (BIOS) can't read the root file system,
# so kernels and ramdisks must lie on the boot partition (FAT).
#
# ci-images installs it as /usr/lib/ci-images/update-boot-files and runs it for the first boot files; the hooks that link
# to it run it after every change of a kernel or ramdisk (Debian: /etc/kernel/post{inst,rm}.d and
# /etc/initramfs/post-update.d; Red Hat: /etc/kernel/install.d). It takes no notice of the arguments hooks get: what is
# in /boot decides. The kernel command line is /etc/kernel/cmdline, as for kernel-install(8).
#
# Needs nothing but coreutils, cmp and sed. CI_IMAGES_ROOT names another root folder than / (for tests).
set -eu

root=${CI_IMAGES_ROOT:-}
boot=$root/boot
esp=$root/boot/efi

say() {
  echo "update-boot-files: $*" >&2
}

# Looking at the file makes systemd's automount mount the partition. No partition at all is fine: a container, or a root
# file system image that is booted with a kernel from outside. One that is there and can't be read is an error.
if [ ! -f "$esp/loader/loader.conf" ]; then
  partition=$(sed -n 's,^PARTUUID=\([^[:space:]]*\)[[:space:]]*/boot/efi[[:space:]].*,\1,p' "$root/etc/fstab" 2>/dev/null || :)
  if [ -n "$partition" ] && [ -e "$root/dev/disk/by-partuuid/$partition" ]; then
    say "the boot partition isn't mounted: run 'mount /boot/efi && /usr/lib/ci-images/update-boot-files'"
    exit 1
  fi
  say "no boot partition at $esp, nothing to do"
  exit 0
fi

ramdisk_of() {
  for candidate in "$boot/initrd.img-$1" "$boot/initramfs-$1.img" "$boot/initrd-$1"; do
    if [ -f "$candidate" ]; then
      echo "$candidate"
      return
    fi
  done
}

# Newest first. Only kernels with a ramdisk: half-installed ones don't boot.
installed=$(
  for kernel in "$boot"/vmlinuz-*; do
    version=${kernel##*/vmlinuz-}
    case $version in '*' | *rescue* | *.old | *.new | *.dpkg-* | *.rpmsave | *[!A-Za-z0-9._+~-]*) continue ;; esac
    [ -z "$(ramdisk_of "$version")" ] || echo "$version"
  done | sort -rV
)
newest=$(echo "$installed" | head -n 1)
if [ -z "$newest" ]; then
  say "no kernel with a ramdisk in $boot: the boot partition stays as it is"
  exit 0
fi

# The running kernel is the best one to fall back on: it is known to boot.
older=$(echo "$installed" | grep -Fx "$(uname -r)" || :)
if [ -z "$older" ] || [ "$older" = "$newest" ]; then
  older=$(echo "$installed" | sed -n 2p)
fi

# Written beside and renamed, so that a power cut never leaves a half file under a name that is booted.
put() {
  if ! cmp -s "$1" "$2"; then
    cp "$1" "$2.new"
    sync "$2.new"
    mv -f "$2.new" "$2"
  fi
}
put_text() {
  cat >"$1.new"
  sync "$1.new"
  mv -f "$1.new" "$1"
}

arguments=$(tr '\n' ' ' <"$root/etc/kernel/cmdline" | sed 's/ *$//')
title=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$root/etc/os-release" 2>/dev/null || :)
mkdir -p "$esp/loader/entries"
menu="PROMPT 0
TIMEOUT 0
DEFAULT $newest"
for version in $newest $older; do
  mkdir -p "$esp/linux/$version"
  put "$boot/vmlinuz-$version" "$esp/linux/$version/vmlinuz"
  put "$(ramdisk_of "$version")" "$esp/linux/$version/initrd"
  put_text "$esp/loader/entries/linux-$version.conf" <<EOF
title ${title:-Linux}
version $version
linux /linux/$version/vmlinuz
initrd /linux/$version/initrd
options $arguments
EOF
  menu="$menu
LABEL $version
  LINUX /linux/$version/vmlinuz
  INITRD /linux/$version/initrd
  APPEND $arguments"
done
put_text "$esp/syslinux.cfg" <<EOF
$menu
EOF
put_text "$esp/loader/loader.conf" <<EOF
timeout 0
default linux-$newest.conf
EOF

# Only now, when both menus name what stays, the rest may go.
for folder in "$esp"/linux/*; do
  version=${folder##*/}
  if [ "$version" != "$newest" ] && [ "$version" != "$older" ]; then
    rm -rf "$folder" "$esp/loader/entries/linux-$version.conf"
  fi
done
say "boots $newest${older:+, keeps $older}"
