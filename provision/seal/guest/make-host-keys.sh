#!/bin/sh
# Makes SSH host keys where nobody else has: cloud-init does it where it finds a data source, and may not run at all.
# ci-images-host-keys.service runs it at boot, after cloud-init and before sshd.
set -eu

ssh-keygen -A
# As cloud-init does, so that whoever has the console can pin the key.
{
  echo "ci-images: cloud-init has made no SSH host keys on this machine, so ssh-keygen has"
  echo "-----BEGIN SSH HOST KEY KEYS-----"
  cat /etc/ssh/ssh_host_*_key.pub
  echo "-----END SSH HOST KEY KEYS-----"
} >/dev/console || true
