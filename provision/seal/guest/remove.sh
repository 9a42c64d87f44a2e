# shellcheck shell=bash
# How things are removed on the running builder: each removal is noted with the rule that names it, and in the end the files that
# were there before are compared with those that are there now.
work=/run/ci-images-seal
# Which keys make-keys.sh is to make: path, mode and owner.
key_list=/usr/lib/ci-images/first-boot-keys
# The line of the checklist that is at work.
rule=
# What an image says about its sealing: kept, removed and changed; tab; the rule; tab; the path.
report=/usr/lib/ci-images/sealing

begin_sealing() {
  install -d -m 0700 "$work"
  : >"$work/removed"
  : >"$work/kept"
  : >"$work/edited"
  if [ ! -e "$record/complete" ]; then
    echo "not ok - record: $record is gone, so nobody knows what the base had and what modules made: a module must have removed it" >&2
    return 1
  fi
  host_names >"$work/host-names"
  clear_flags
  list_files >"$work/before"
}

# Files that are immutable or only ever grow can't be removed, edited or replaced. They get their flags back in the end. Not those
# with a line break in their path: lsattr and the lists have a line a file.
clear_flags() {
  local flags path
  : >"$work/flags"
  if ! command -v lsattr >/dev/null || ! command -v chattr >/dev/null; then return; fi
  { find_all | xargs -0 -r lsattr -d 2>/dev/null || true; } |
    awk '{ flags = $1; gsub(/[^aAdDijStTC]/, "", flags); if (flags != "") { sub(/^[^ ]+ +/, ""); print flags "\t" $0 } }' >"$work/flags"
  while IFS=$'\t' read -r flags path; do
    case $flags in
      *[ai]*)
        echo "cleared the flags of $path for the time of sealing ($flags)"
        chattr -f -i -a -- "$path"
        ;;
    esac
  done <"$work/flags"
}

find_all() {
  local -a tops
  mapfile -t tops < <(file_systems)
  find "${tops[@]}" -xdev \( -type f -o -type d \) ! -path $'*\n*' -print0
}

# What is still there is as the recipe made it. The image has the list, as not every way to write a disk carries flags.
restore_flags() {
  local flags path
  local list=/usr/lib/ci-images/file-flags
  rm -f "$list"
  while IFS=$'\t' read -r flags path; do
    if [ -e "$path" ]; then
      printf '%s\t%s\n' "$flags" "$path" >>"$list"
      case $flags in *[ai]*) chattr "+$(tr -cd ai <<<"$flags")" -- "$path" ;; esac
    fi
  done <"$work/flags"
}

note_removed() { printf '%s\t%s\n' "$rule" "$1" >>"$work/removed"; }

# Removes files and folders, with what was mounted there.
take() {
  local path point
  for path in "$@"; do
    if [ -d "$path" ] && [ ! -L "$path" ]; then
      mount_points "$path" | while IFS= read -r point; do unmount "$point"; done
    fi
    rm -rf --one-file-system -- "$path"
    note_removed "$path"
  done
}

take_listed() { while IFS= read -r path; do take "$path"; done; }

# Removes what matches the patterns; of a folder in which something is kept, the rest.
drop() {
  match "$@"
  local path inner
  for path in "${found_paths[@]}"; do
    if ! holds_kept "$path"; then
      take "$path"
      continue
    fi
    find "$path" -mindepth 1 ! -type d | while IFS= read -r inner; do is_kept "$inner" || take "$inner"; done
  done
}

keep() {
  kept_paths+=("$1")
  echo "$1" >>"$made_paths_file"
  printf '%s\t%s\n' "$rule" "$1" >>"$work/kept"
}

# Of what matches the patterns, keeps what a module has made or changed.
keep_made() {
  local path inner all
  local -a made
  match "$@"
  for path in "${found_paths[@]}"; do
    all=$(find "$path" -xdev ! -type d | wc -l)
    mapfile -t made < <(list_files "$path" | made_since | paths_of | while IFS= read -r inner; do if [ -L "$inner" ] || [ ! -d "$inner" ]; then echo "$inner"; fi; done)
    if [ -d "$path" ] && [ ! -L "$path" ] && [ "${#made[@]}" -eq "$all" ] && [ -n "$(find "$path" -maxdepth 0 -printf '%p\td\n' | made_since)" ]; then
      made=("$path")
    fi
    for inner in "${made[@]}"; do is_kept "$inner" || keep "$inner"; done
  done
}

# The distribution's own hooks for making images.
clean_hooks() {
  local hook
  local found=no
  for hook in /etc/cloud/clean.d/*; do
    if [ -f "$hook" ] && [ -x "$hook" ]; then
      found=yes
      "$hook"
    fi
  done
  if [ "$found" = yes ]; then name_gone; fi
}

# By a rule of its own goes what others have removed since the last look.
name_gone() {
  local path
  list_files >"$work/now"
  while IFS= read -r path; do note_removed "$path"; done < <(gone_between "$work/before" "$work/now")
}

gone_between() { LC_ALL=C comm -23 <(paths_of <"$1" | sort) <(paths_of <"$2" | sort); }

# Prints what is gone and was named by no rule.
assert_unnamed_removals() {
  list_files >"$work/after"
  # A home may be a link, or below one.
  cut -f2 "$work/removed" >"$work/named"
  cut -f2 "$work/removed" | tr '\n' '\0' | xargs -0 -r realpath -m -- >>"$work/named"
  gone_between "$work/before" "$work/after" | awk '
    NR == FNR { named[$0]; next }
    { path = $0; while (path != "") { if (path in named) next; sub(/\/[^\/]*$/, "", path) } print $0 ": is gone, and no rule of sealing names it" }' "$work/named" -
}

# Says what was removed and changed below homes, /etc and /var/lib, and wherever a link led to a credential; what still has the
# builder's name; and counts the rest. The image has the same list.
report_sealing() {
  local places
  places=$({ printf '%s\n' /etc /var/lib "${home_list[@]}" && cat "$work/edited"; } | sort -u)
  list_files >"$work/after"
  {
    sort -u "$work/kept" | sed 's/^/kept\t/'
    sort -u "$work/removed" | sed 's/^/removed\t/'
    awk -F'\t' 'NR == FNR { before[$1] = $0; next } ($1 in before) && before[$1] != $0 && $2 == "f" { print "changed\t-\t" $1 }' "$work/before" "$work/after"
    files_with_host_name | sed 's/^/noted\thost-names\t/'
  } | PLACES=$places awk -F'\t' '
    BEGIN { count = split(ENVIRON["PLACES"], places, "\n") }
    $1 == "kept" || $2 ~ /^(agent-identities|authorized-keys|cloud-credentials|tls-keys|user-keys)$/ { print; next }
    { for (i = 1; i <= count; i++) if ($3 == places[i] || index($3, places[i] "/") == 1) { print; next } }' >"$report"
  # Nobody needs to know of names that only the builder had.
  chmod 0644 "$report"
  awk -F'\t' '{ print $1, $3 ($2 == "-" ? "" : " (" $2 ")") }' "$report"
  echo "removed elsewhere: $(($(sort -u "$work/removed" | wc -l) - $(grep -c ^removed "$report" || true))) files and folders of logs, caches and temporary files"
}

# What a service writes when it is stopped comes after all of this. The last thing that the builder does, when its services have been
# stopped and before its file systems are, is to remove that, too, and to assert the list again; the image has the outcome, and the
# machine that is booted from it looks there: on the clouds nobody can read the disk of the stopped builder.
arm_last_look() {
  local name
  if ! by_systemd; then
    echo "nobody looks once more when the builder is stopped: systemd does not run it"
    return
  fi
  {
    echo 'shopt -s nullglob dotglob extglob'
    echo 'export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    declare -f
    for name in $(compgen -v | grep -E '^([a-z][a-z0-9_]*|ROOT|BAKE_KEYS|BUILDER_NAME)$'); do declare -p "$name"; done
    echo 'SECRETS_FILE='
    echo 'transport_paths=() transport_units='
    echo last_look
  } >"$work/last"
  cat >/run/systemd/system/ci-images-builder-last.service <<'UNIT'
[Unit]
Description=Look once more that the image is sealed
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target basic.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/bash /run/ci-images-seal/last
TimeoutStopSec=50
UNIT
  systemctl daemon-reload
  systemctl start ci-images-builder-last.service
  # So a builder that is cut off before its last look is not taken for one that nobody wanted to look.
  echo pending >/usr/lib/ci-images/after-stop
}

last_look() {
  local findings
  rule=last-look
  # Whoever brought the bake in has to go now, too.
  end_strangers
  load_kept_paths
  drop_paths
  log_files | take_listed
  findings=$(assert_all | grep '^not ok' || true)
  echo "${findings:-ok}" >/usr/lib/ci-images/after-stop
  sync
}

# --- what some lines of the checklist do
remove_authorized_keys() {
  local file wanted unwanted
  authorized_files | while read -r file; do
    unwanted=$(authorized_lines unwanted "$file" | wc -l)
    wanted=$(authorized_lines wanted "$file")
    if [ "$unwanted" -gt 0 ]; then echo "removed $unwanted key(s) from $file"; fi
    if grep -qE "$key_part" <<<"$wanted"; then
      if [ "$unwanted" -gt 0 ]; then printf '%s\n' "$wanted" >"$file"; fi
    else
      take "$file"
      if [[ $file == */.ssh/* ]] && [ -z "$(ls -A -- "${file%/*}")" ]; then take "${file%/*}"; fi
    fi
  done
}

# Swap files that a module has made stay, without what the builder's memory has left in them.
empty_swap_files() {
  local path size identity
  local list=/usr/lib/ci-images/swap-files
  rm -f "$list"
  { awk -F'\t' '$1 == "swap" { print $2 }' "$work/kept"; awk '$1 ~ "^/" && $3 == "swap" { print $1 }' /etc/fstab 2>/dev/null || true; } | sort -u |
    while IFS= read -r path; do
      if [ ! -f "$path" ] || [ "$(dd if="$path" bs=1 skip=4086 count=10 2>/dev/null | tr -d '\0')" != SWAPSPACE2 ]; then continue; fi
      size=$(stat -c %s "$path")
      if ! cmp -s -n "$((size - 4096))" -i 4096:0 "$path" /dev/zero; then
        identity=$(blkid -p -s UUID -o value "$path" || true)
        dd if=/dev/zero of="$path" bs=1M count="$size" iflag=count_bytes conv=notrunc,fsync status=none
        mkswap ${identity:+-U "$identity"} "$path" >/dev/null
        echo "emptied $path"
      fi
      printf '%s\t%s\n' "$size" "$path" >>"$list"
    done
}

remove_secret_lines() {
  environment_secrets | while read -r file; do
    sed -i "$(secret_line_numbers "$file" | sed 's/$/d/')" "$file"
    echo "$file" >>"$work/edited"
  done
}

unhold_packages() {
  local name
  packages_on_hold | while read -r name; do
    if grep -qxF -- "$name" "$record/held"; then apt-mark -q unhold "$name"; else echo "hold:$name" >>"$made_paths_file"; fi
  done
  load_kept_paths
}

remove_service_keys() {
  local path
  # Those of /etc/ssl/private go by another rule.
  if ! in_path systemctl; then made_keys | sed '\|^/etc/ssl/|d; s/$/ stays and is the same on all workers: without systemd nothing would make another/'; fi
  service_keys >"$work/keys"
  while read -r path; do
    if grep -qF "$path " <<<"$key_makers"; then stat -c '%n %a %U:%G' "$path" >>"$key_list"; fi
    case $path in
      */popularity-contest.conf) sed -i -E 's/^(MY_HOSTID=).*/\1""/' "$path" ;;
      *) take "$path" ;;
    esac
  done <"$work/keys"
  if [ -s "$key_list" ]; then
    # With the keys of a recipe below, which this machine has made at its own first boot.
    sort -u -o "$key_list" "$key_list"
    write_make_keys
    systemctl --quiet --no-reload enable ci-images-keys.service
  fi
}

write_host_key_unit() {
  write_make_host_keys
  systemctl --quiet --no-reload enable ci-images-host-keys.service
}

# Name servers that a module wrote stay; those of the builder's network go.
clean_resolv_conf() {
  local file=/etc/resolv.conf
  if is_kept $file; then return; fi
  if [ -f $file ] && [ ! -L $file ] && [ -s $file ]; then
    if [ -f "$record/resolv.conf" ] && ! cmp -s $file "$record/resolv.conf" && ! grep -qiE '^[#;].*(generated|NetworkManager|dhclient|dhcpcd|resolvconf|ci-images)' $file; then
      keep $file
      return
    fi
  fi
  if [ -e $file ] && [ ! -L $file ]; then take $file; fi
  if [ ! -e $file ] && [ ! -L $file ] && systemctl --quiet is-enabled systemd-resolved.service 2>/dev/null; then
    ln -s ../run/systemd/resolve/stub-resolv.conf $file
  fi
}

# The builder's own lines go, those that modules added stay.
clean_hosts() {
  local file=/etc/hosts
  if is_kept $file; then return; fi
  if builder_hosts | grep . >/dev/null; then
    { if [ -f "$record/hosts" ]; then builder_hosts | grep -xF -f "$record/hosts" || true; else builder_hosts; fi; } >"$work/hosts"
    { grep -vxF -f "$work/hosts" $file || [ $? -eq 1 ]; } >"$work/hosts.new"
    cat "$work/hosts.new" >$file
    if builder_hosts | grep . >/dev/null; then keep $file; fi
  fi
  if ! grep -qsw localhost $file; then printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >>$file; fi
}

# Takes the builder's name out of what is known to note it when it is installed. Postfix then goes by the worker's own.
clean_host_names() {
  local name pattern file
  while read -r name; do
    pattern="\\b$name\\b(\\.[A-Za-z0-9-]+)*"
    for file in /etc/mailname /etc/exim4/update-exim4.conf.conf; do replace_name "$file" "s/$pattern/localhost/g"; done
    replace_name /etc/postfix/main.cf "/^myhostname[[:space:]]*=[[:space:]]*${pattern}[[:space:]]*\$/d; /^mydestination[[:space:]]*=/s/$pattern/\$myhostname/g"
    # Its database is the node's that the builder was.
    drop "/var/lib/rabbitmq/mnesia/*@$name*"
    # postalias notes the name of the machine that it runs on.
    for file in /etc/aliases.db /etc/postfix/aliases.db; do
      if [ -f "$file" ] && ! is_kept "$file" && grep -qF -- "$name" "$file" && command -v newaliases >/dev/null; then
        unshare --uts sh -c 'hostname localhost && newaliases'
        echo "changed $file, which had the builder's name"
      fi
    done
  done <"$work/host-names"
}

# Edits a file that has the builder's name, if there is one.
replace_name() {
  if [ ! -f "$1" ] || is_kept "$1" || ! grep -qF -- "$name" "$1"; then return; fi
  sed -i -E "$2" "$1"
  echo "changed $1, which had the builder's name"
}

# Prints what still has the builder's name in /etc and /var/lib, in its own name or in its text. Nobody can know whether that
# matters, so it is said. Package databases and containers' images are not looked through: they are large, and not the machine's own.
files_with_host_name() {
  local name
  while read -r name; do
    noted_places -name "*$name*" -print
    # xargs ends with 123 when some grep found nothing.
    noted_places -type f -size -2048 -print0 | xargs -0 -r grep -lwF --binary-files=text -- "$name" || [ $? -eq 123 ]
  done <"$work/host-names" | { grep -v '^/var/lib/ci-images/' || true; } | sort -u
}

noted_places() {
  find /etc /var/lib -xdev \( -path /var/lib/docker -o -path /var/lib/containerd -o -path /var/lib/containers -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o "$@"
}

free_space() {
  if [ "$(findmnt --noheadings --output FSTYPE --target / | tail -n 1)" = overlay ]; then return; fi
  sync
  if fstrim --verbose /; then return; fi
  if [ "$ZERO_FREE_SPACE" != yes ]; then
    echo "free space is not trimmed: the disk takes no discards"
    return
  fi
  echo "filling free space with zeros: the disk takes no discards"
  # Ends when the disk is full, which is what it is for.
  dd if=/dev/zero of=/ci-images-zeros bs=4M status=none 2>/dev/null || true
  sync
  rm -f /ci-images-zeros
  sync
}
