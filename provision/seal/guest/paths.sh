# --- links
# Sets resolved to where a path of the image leads: all links are followed as the image will see them, and never out of $ROOT,
# which may be a folder beside this computer's own files. Fails if nothing is there, or if the links go in a circle.
resolve() {
  local rest=$1 part target
  local links=0
  resolved=
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    if [ "$part" = "$rest" ]; then rest=; else rest=${rest#*/}; fi
    case $part in
      "" | .) continue ;;
      ..)
        resolved=${resolved%/*}
        continue
        ;;
    esac
    if [ ! -L "$ROOT$resolved/$part" ]; then
      resolved+=/$part
      continue
    fi
    links=$((links + 1))
    # The kernel's limit.
    if [ "$links" -gt 40 ]; then return 1; fi
    target=$(readlink -- "$ROOT$resolved/$part")
    if [[ $target == /* ]]; then resolved=; fi
    rest=$target${rest:+/$rest}
  done
  [ -e "$ROOT${resolved:-/}" ]
}

# --- what the recipe keeps: said by modules, and what sealing found that modules have made
made_paths_file=@MADE_PATHS_FILE@
transport_paths=()
load_kept_paths() {
  local file path
  kept_paths=("${transport_paths[@]}")
  for file in "$ROOT@KEPT_PATHS_FILE@" "$ROOT$made_paths_file"; do
    if [ -f "$file" ]; then mapfile -t -O "${#kept_paths[@]}" kept_paths <"$file"; fi
  done
  # What is behind a link is found by its own path, and kept by either.
  for path in "${kept_paths[@]}"; do
    if [[ $path == /?* ]] && resolve "$path" && [ "$resolved" != "${path%/}" ]; then kept_paths+=("$resolved"); fi
  done
}
load_kept_paths

is_kept() {
  local kept
  for kept in "${kept_paths[@]}"; do
    if [[ $kept == /?* && ($1 == "$kept" || $1 == "${kept%/}"/*) ]]; then return 0; fi
  done
  return 1
}

holds_kept() {
  local kept
  for kept in "${kept_paths[@]}"; do if [[ $kept == "$1"/* ]]; then return 0; fi; done
  return 1
}

# --- the homes of all accounts, and those beneath /home whose account is gone
list_homes() {
  local home
  {
    cut -d: -f6 "$ROOT/etc/passwd"
    if resolve /home; then for home in "$ROOT$resolved"/*; do echo "${home#"$ROOT"}"; done; fi
    printf '%s\n' /root /etc/skel
  } | while read -r home; do
    if [ -z "$home" ] || ! resolve "$home" || [ ! -d "$ROOT$resolved" ]; then continue; fi
    case $resolved in "" | /dev | /proc | /run | /run/* | /bin | /sbin | /usr/bin | /usr/sbin | /nonexistent) continue ;; esac
    echo "$resolved"
  done | sort -u
}
mapfile -t home_list < <(list_homes)

# --- paths of patterns
# Sets present_paths to what exists of the patterns, ~ standing for every home. The folders in these paths are no links; what is in
# them may be one.
expand_patterns() {
  local pattern home literal path IFS=
  present_paths=()
  for pattern in "$@"; do
    local -a tops=("")
    if [[ $pattern == "~/"* ]]; then tops=("${home_list[@]}"); pattern=${pattern#"~"}; fi
    literal=${pattern%%[][*?(@!+]*}
    literal=${literal%/*}
    for home in "${tops[@]}"; do
      resolve "$home$literal" || continue
      # shellcheck disable=SC2231 # a pattern
      for path in "$ROOT$resolved"${pattern#"$literal"}; do
        path=${path#"$ROOT"}
        if [[ $path == */. || $path == */.. ]] || ! resolve "${path%/*}"; then continue; fi
        path=$resolved/${path##*/}
        if [[ -e $ROOT$path || -L $ROOT$path ]]; then present_paths+=("$path"); fi
      done
    done
  done
}

# Sets found_paths to what exists of the patterns and is not kept.
match() {
  local path
  found_paths=()
  expand_patterns "$@"
  for path in "${present_paths[@]}"; do if ! is_kept "$path"; then found_paths+=("$path"); fi; done
}

# Prints what exists of the patterns; of a folder with something kept in it, the rest.
found() {
  match "$@"
  local path inner
  for path in "${found_paths[@]}"; do
    if ! holds_kept "$path"; then echo "$path"; continue; fi
    find "$ROOT$path" -mindepth 1 ! -type d -printf "$path/%P\n" | while read -r inner; do is_kept "$inner" || echo "$inner"; done
  done
}

# Firewall settings with a line for the bake's own way in.
build_rule='comment "?ci-images-builder|<port (port="@DOOR_PORT@" protocol="tcp"|protocol="tcp" port="@DOOR_PORT@")'
firewall_files() {
  match /etc/nftables.conf '/etc/nftables.d/*' '/etc/nftables/*' '/etc/iptables/*' /etc/sysconfig/nftables.conf '/etc/sysconfig/ip*tables*' \
    '/etc/ufw/*.rules' '/etc/firewalld/zones/*'
  local path
  for path in "${found_paths[@]}"; do
    if [ -f "$ROOT$path" ] && grep -qE "$build_rule" "$ROOT$path"; then echo "$path"; fi
  done
}

in_path() {
  local folder
  for folder in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin /bin /sbin; do
    if [ -x "$ROOT$folder/$1" ]; then return 0; fi
  done
  return 1
}
