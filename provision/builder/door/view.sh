#!/bin/sh
# One connection of the bake: sshd in a view of the machine in which nothing matters that a recipe may change for logins (accounts, name
# services, TCP wrappers, shell start-up files, SELinux' login contexts). systemd starts it in a mount namespace of its own, with the
# connection as standard input.
door=/etc/ci-images-builder
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
{
  # Hides nscd and its like, and makes sshd independent of the folder that ssh.service makes and removes.
  mount -t tmpfs -o mode=0755,size=1m tmpfs /run
  mkdir /run/sshd
  # By one program: on emulated hardware each takes a tenth of a second to start.
  {
    for file in passwd group shadow nsswitch.conf; do echo "$door/$file /etc/$file none bind"; done
    for file in hosts.allow hosts.deny bash.bashrc bashrc profile environment ld.so.preload; do
      if [ -e "/etc/$file" ]; then echo "$door/empty /etc/$file none bind"; fi
    done
    # sshd takes SELinux for turned off where its configuration is missing, and the session goes on in systemd's domain for services.
    if [ -d /etc/selinux ]; then echo "$door/home /etc/selinux none bind"; fi
  } >/run/mounts
  mount --all --fstab /run/mounts
} </dev/null >&2
exec /usr/sbin/sshd -i -e -f "$door/sshd_config"
