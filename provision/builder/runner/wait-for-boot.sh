if [ -d /run/systemd/system ] && [ ! -e "$state/booted" ]; then
  for ((i = 0; i < @BOOT_QUARTERS@; i++)); do
    system=$(systemctl is-system-running 2>/dev/null || true)
    case $system in initializing | starting) sleep 0.25 ;; *) break ;; esac
  done
  if [ "$system" = maintenance ]; then
    echo "ci-images: the machine did not boot, it is in emergency or rescue mode. Failed units:" >&2
    systemctl list-units --failed --plain --no-legend >&2
    echo "Look for what the steps before this one changed: /etc/fstab, units, the default target. $failure_cure" >&2
    exit 1
  fi
  touch "$state/booted"
fi
