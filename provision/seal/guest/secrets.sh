# SECRETS_FILE: texts in which a secret may stand, one a line. They are never printed.
secret_values() {
  if [ ! -s "${SECRETS_FILE:-}" ]; then return; fi
  { plain_secrets; packed_secrets; } | sort -u | while read -r path; do
    path="/${path#"$ROOT/"}"
    grep -sqxF -e "$path" "$ROOT@KEPT_SECRETS_FILE@" || echo "$path: holds a secret of the bake"
  done
}

# All files of the image, with the words for find that follow; on a running machine /boot and others may be file systems of their own.
image_files() {
  local -a tops=("$ROOT/")
  if [ -z "$ROOT" ]; then mapfile -t tops < <(file_systems); fi
  find "${tops[@]}" -xdev -type f ! -path "$SECRETS_FILE" "$@" -print0
}

# xargs ends with 123 when some grep found nothing.
plain_secrets() {
  image_files | xargs -0 -r grep -lF --binary-files=text -f "$SECRETS_FILE" -- || [ $? -eq 123 ]
}

packed_secrets() {
  local kind path
  local -a files
  for kind in "gzip *.*gz" "xz *.xz" "bzip2 *.bz2" "zstd *.zst"; do
    if ! command -v "${kind%% *}" >/dev/null; then continue; fi
    files=()
    while IFS= read -r -d "" path; do files+=("$path"); done < <(image_files -name "${kind#* }")
    packed_with_secret "${kind%% *}" "${files[@]}"
  done
}

# All files are unpacked in one go, and only if there is something in them each half of them, and so on. What can't be unpacked is not
# packed, whatever its name says.
packed_with_secret() {
  local program=$1
  shift
  if [ $# -eq 0 ]; then return; fi
  { printf "%s\0" "$@" | xargs -0 "$program" -dcq -- 2>/dev/null || true; } | holds_secret || return 0
  if [ $# -eq 1 ]; then
    echo "$1"
    return
  fi
  packed_with_secret "$program" "${@:1:$#/2}"
  packed_with_secret "$program" "${@:$#/2+1}"
}

# Reads to the end, so that nobody writes into a closed pipe.
holds_secret() { [ "$(grep -cF --binary-files=text -f "$SECRETS_FILE")" -gt 0 ]; }
