# shellcheck shell=bash
# Gives files of the base the flags of chattr(1) that they had when the image below was sealed. `local` reads that image's files without
# their flags, and a builder's overlay takes them only here, where modules meet them as if a module of this recipe had set them: a module
# that changes such a file clears the flag first. On the clouds the files have them, and nothing happens.
restore_base_flags() {
  local flags path present missing flag
  local list=/usr/lib/ci-images/file-flags
  # Later, a missing flag is one that a module has cleared.
  # shellcheck disable=SC2154 # files.sh sets it
  if [ -e "$record/complete" ] || [ ! -f "$list" ] || ! command -v lsattr >/dev/null; then return; fi
  while IFS=$'\t' read -r flags path; do
    if [ -L "$path" ] || [ ! -e "$path" ]; then continue; fi
    present=$(lsattr -d -- "$path" 2>/dev/null | cut -d' ' -f1 || true)
    missing=
    for flag in $(grep -o . <<<"$flags"); do
      case $present in *"$flag"*) ;; *) missing+=$flag ;; esac
    done
    if [ -n "$missing" ] && ! chattr -f "+$missing" -- "$path"; then
      echo "$path had the flags $flags in the image below (chattr); they can't be set on this machine's disk"
    fi
  done <"$list"
}
