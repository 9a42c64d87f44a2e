#!/bin/sh
# person USER [COMMAND]: a session of this user, with its own shell and environment. Where the machine lets the user in no more (PAM, the
# shell, the account), it is root's, so that somebody can look for the cause.
user=$1
command=$2
IFS=: read -r _ _ _ _ _ home shell <<END
$(getent passwd "$user")
END
if [ -z "$home" ] || ! runuser -u "$user" -- "${shell:=/bin/sh}" -c true >/dev/null 2>&1 </dev/null; then
  echo "ci-images: $user can't log in on this machine; this is root" >&2
  cd /root || cd /
  export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash
  if [ -z "$command" ]; then exec /bin/bash --login; fi
  exec /bin/bash -c "$command"
fi
# Variables for all logins, which PAM would set: NAME=VALUE, perhaps in quotes.
names=
if [ -r /etc/environment ]; then
  while IFS= read -r line; do
    name=${line%%=*}
    name=${name#export }
    case $line in *=*) ;; *) continue ;; esac
    case $name in "" | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac
    value=${line#*=}
    case $value in '"'*'"' | "'"*"'") value=${value#?} value=${value%?} ;; esac
    export "$name=$value"
    names=$names${names:+,}$name
  done </etc/environment
fi
if [ -z "$command" ]; then
  case $(runuser --help) in *--whitelist-environment*) ;; *) names= ;; esac
  exec runuser -l ${names:+"--whitelist-environment=$names"} "$user"
fi
cd "$home" || cd /
# Not by runuser where it can be helped: it stays, and ends the command at a Ctrl-C that the command may want itself.
if command -v setpriv >/dev/null; then
  set -- setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --
else
  set -- "$(command -v runuser)" -u "$user" --
fi
case ,$names, in *,PATH,*) ;; *) PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games ;; esac
export HOME="$home" USER="$user" LOGNAME="$user" SHELL="$shell" PATH
exec "$@" "$shell" -c "$command"
