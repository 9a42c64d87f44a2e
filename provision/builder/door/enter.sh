#!/bin/sh
# Runs for every session: goes back to the machine as everybody sees it, the mount namespace of process 1. The bake is root, without a
# login shell or any file that one reads. Whoever logs in as the login user is a person and gets an ordinary session (person.sh).
door=/etc/ci-images-builder
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
command=${SSH_ORIGINAL_COMMAND-}
if [ "$command" = internal-sftp ]; then
  for file in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec; do
    if [ -x "$file/sftp-server" ]; then command=$file/sftp-server; fi
  done
fi
set -- nsenter --target 1 --mount -- env -i "PATH=$PATH" ${TERM:+"TERM=$TERM"}
if [ "$USER" != root ]; then exec "$@" /bin/sh "$door/person" "$USER" "$command"; fi
set -- "$@" HOME=/root USER=root LOGNAME=root SHELL=/bin/bash
if [ -z "$command" ]; then exec "$@" /bin/bash --login; fi
exec "$@" /bin/bash --noprofile --norc -c "$command"
