# --- what the recipe keeps: said by modules, and what sealing found that modules have made
made_paths_file=@MADE_PATHS_FILE@
transport_paths=()
load_kept_paths() {
  local file
  kept_paths=("${transport_paths[@]}")
  for file in "$ROOT@KEPT_PATHS_FILE@" "$ROOT$made_paths_file"; do
    if [ -f "$file" ]; then mapfile -t -O "${#kept_paths[@]}" kept_paths <"$file"; fi
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
  { cut -d: -f6 "$ROOT/etc/passwd"; for home in "$ROOT"/home/*; do echo "${home#"$ROOT"}"; done; echo /root; echo /etc/skel; } | sort -u |
    while read -r home; do
      case $home in "" | / | /dev | /proc | /run* | /bin | /sbin | /usr/bin | /usr/sbin | /nonexistent) continue ;; esac
      if [ -d "$ROOT$home" ]; then echo "$home"; fi
    done
}
mapfile -t home_list < <(list_homes)

# --- paths of patterns
# Sets present_paths to what exists of the patterns, ~ standing for every home.
expand_patterns() {
  local pattern home path IFS=
  present_paths=()
  for pattern in "$@"; do
    local -a tops=("")
    if [[ $pattern == "~/"* ]]; then tops=("${home_list[@]}"); pattern=${pattern#"~"}; fi
    for home in "${tops[@]}"; do
      # shellcheck disable=SC2231 # a pattern
      for path in "$ROOT$home"$pattern; do
        if [[ ! -e $path && ! -L $path ]] || [[ $path == */. || $path == */.. ]]; then continue; fi
        present_paths+=("${path#"$ROOT"}")
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
