# --- traces and identity
log_files() {
  find "$ROOT/var/log/" -xdev ! -type d ! -type l -printf "/var/log/%P\n" | while read -r path; do is_kept "$path" || echo "$path"; done
}

# 127.0.1.1 is where Debian's installer and cloud-init put a machine's own name.
builder_hosts() {
  if [ ! -f "$ROOT/etc/hosts" ] || is_kept /etc/hosts; then return; fi
  BUILDER=$BUILDER_NAME awk '/^[[:space:]]*#/ { next }
    $1 == "127.0.1.1" { print; next }
    ENVIRON["BUILDER"] != "" && ENVIRON["BUILDER"] != "localhost" { for (i = 2; i <= NF; i++) if ($i == ENVIRON["BUILDER"]) { print; next } }' "$ROOT/etc/hosts"
}

os_release() { if [ -f "$ROOT/usr/lib/os-release" ]; then echo "$ROOT/usr/lib/os-release"; else echo "$ROOT/etc/os-release"; fi; }

# Google's own images have their guest environment instead of cloud-init (google_guest_agent, by its older and newer names).
has_google_agent() { in_path google_guest_agent || in_path google_guest_agent_manager; }

grows_root() {
  # gce-disk-expand: a program on Enterprise Linux, a script of the initramfs on Debian.
  in_path growpart || in_path google_disk_expand || [ -e "$ROOT/usr/share/initramfs-tools/scripts/expandroot-lib.sh" ]
}

# Whether a worker needs our unit for SSH host keys. cloud-init makes them only where it finds a data source, and no unit of a
# distribution makes up for that: Debian 13's waits for a first boot (ConditionFirstBoot), which an image with an empty machine-id
# never has, and Red Hat's leaves them to cloud-init wherever that is turned on. Google's agent makes them, too, but its older
# versions do not let sshd wait for that. Without systemd there are no units.
needs_host_key_unit() { in_path sshd && in_path systemctl; }
