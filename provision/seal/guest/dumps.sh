# shellcheck shell=bash
# Whether a file is the dump of a process (an ELF file of type ET_CORE), whatever its name.
is_core_dump() {
  [ -f "$1" ] && [ ! -L "$1" ] || return 1
  case $(head -c 18 "$1" | od -An -v -tx1 | tr -d ' \n') in
    7f454c46????????????????????????0400 | 7f454c46????????????????????????0004) return 0 ;;
    *) return 1 ;;
  esac
}

# Prints the dumps that a crash leaves at the root and in homes.
core_dumps() {
  local path
  match '/core' '/core.+([0-9])' '~/core' '~/core.+([0-9])'
  for path in "${found_paths[@]}"; do if is_core_dump "$ROOT$path"; then echo "$path"; fi; done
}

# Prints backups that editors leave beside a file.
backup_files() {
  local path
  match '/etc/*~' '/etc/*/*~' '/etc/*/*/*~' '~/*~'
  for path in "${found_paths[@]}"; do if [ -f "$ROOT${path%"~"}" ]; then echo "$path"; fi; done
}
