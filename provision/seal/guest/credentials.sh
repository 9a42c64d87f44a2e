# shellcheck shell=bash
# Tells credentials by their content: a file that only has a credential's name may be settings that a module put there. Reads
# files below $ROOT; prints no value.

# Kinds of tokens that are known by how they begin, and keys.
token_forms='ya29\.[A-Za-z0-9_-]{20}|gh[pousr]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{20}|glpat-[A-Za-z0-9_-]{16}|xox[abps]-[0-9A-Za-z-]{10}|hvs\.[A-Za-z0-9_-]{20}|npm_[A-Za-z0-9]{30}|dckr_pat_[A-Za-z0-9_-]{16}|pypi-AgEI|AIza[0-9A-Za-z_-]{35}|eyJ[A-Za-z0-9_-]{10,}\.eyJ|-----BEGIN [A-Z ]*PRIVATE KEY'

# A password in an address, unless it is a variable's name.
with_password='://[^/@:[:space:]]+:[^/@[:space:]$<{%][^/@[:space:]]*@'

# A name that says secret with a value: `password = x`, `"auth": "x"`, `_authToken=x`, `:rubygems_api_key: x`.
named_secret="([a-z0-9_.-]*(secret|passw(or)?d|passphrase|token|api_?key|access_?key|private_?key|client-key-data)[a-z0-9_.-]*|(^|[^a-z0-9])(_?auth|pass))[\"']?\\]?[[:space:]]*(=>|=|:)[[:space:]]*[\"']?[^[:space:]\"',;(){}]+"
# Names of what only leads to a secret, and values that are none.
no_secret="(file|path|dir|url|uri|endpoint|type|ttl|helper|store|command|process|lifetime|length|policy|format|name|_id)[\"']?\\]?[[:space:]]*(=>|=|:)|(=>|=|:)[[:space:]]*[\"']?([\$<%@\`].*|null|none|nil|true|false|changeit)\$"
xml_secret='<(password|passphrase|master|token)>[[:space:]]*[^<$%[:space:]]'

# Whether a file holds one. Some are only known by their name: that of the link by which they were found, if one is given.
holds_credential() {
  local file=$ROOT$1
  local name=${2:-$1}
  # Databases of credentials are small, too.
  if [ -L "$file" ] || [ ! -f "$file" ] || [ ! -s "$file" ] || [ "$(stat -c %s "$file")" -gt 16777216 ]; then return 1; fi
  if grep -qE --binary-files=text -e "$token_forms|$with_password|$xml_secret" "$file"; then return 0; fi
  if [ -n "$({ grep -oiE --binary-files=text -e "$named_secret" "$file" || true; } | grep -viE -e "$no_secret" | head -c 1)" ]; then return 0; fi
  case $name in
    # Nothing but a token.
    */.vault-token | */buildkite-agent/token) return 0 ;;
    # A token in place of the user name.
    */.git-credentials | */git/credentials) grep -qE '://[^/@[:space:]]+@' "$file" ;;
    */pip.conf) grep -qE '://[^/@:[:space:]$<{%][^/@:[:space:]]{15,}@' "$file" ;;
    */.pgpass) grep -qE '^[^#]*:[^:]*:[^:]*:[^:]*:.' "$file" ;;
    */.netrc | */auth.conf | */auth.conf.d/*) grep -qE '(^|[[:space:]])password[[:space:]]+[^[:space:]]' "$file" ;;
    */.subversion/auth/*) grep -qxE 'password|passphrase' "$file" ;;
    */.composer/auth.json) grep -qE '"(github-oauth|gitlab-token|bearer)"[[:space:]]*:[[:space:]]*\{[[:space:]]*"' "$file" || [ "$(tr -d '[:space:]' <"$file" | grep -cE '"(github-oauth|gitlab-token|bearer)":\{"')" -gt 0 ] ;;
    *) return 1 ;;
  esac
}

# Prints the files at and below some places: the path, tab, the name that it has there. What a link leads to counts as if it lay
# in the link's place, because the tool that reads it there sees no difference.
files_at() {
  local place
  local -A followed
  for place in "$@"; do
    followed=()
    if [ -L "$ROOT$place" ]; then follow "$place" "$place"; else files_below "$place" "$place"; fi
  done
}

files_below() {
  local listed kind path
  listed=$(find "$ROOT$1" -xdev \( -type f -o -type l \) -printf '%y\t%p\n')
  while IFS=$'\t' read -r kind path; do
    path=${path#"$ROOT"}
    case $kind in
      f) printf '%s\t%s\n' "$path" "$2${path#"$1"}" ;;
      l) follow "$path" "$2${path#"$1"}" ;;
    esac
  done <<<"$listed"
}

# Folders of the whole system are nobody's credentials, and a program only looks as if it held one: a Python environment is full of
# links to both.
follow() {
  local target
  resolve "$1" || return 0
  target=$resolved
  case $target/ in "$place"/*) return ;; esac
  if [ -f "$ROOT$target" ]; then
    if in_image "${target%/*}" && ! is_program "$target"; then printf '%s\t%s\n' "$target" "$2"; fi
  elif [ -d "$ROOT$target" ]; then
    case $1 in "$target"/*) return ;; esac
    case $target in "" | /etc | /home | /opt | /root | /srv | /tmp | /var | /var/lib | /@(bin|boot|dev|lib?(32|64|x32)|proc|run|sbin|sys|usr)?(/*)) return ;; esac
    if [ -n "${followed[$target]:-}" ] || ! in_image "$target"; then return; fi
    followed[$target]=yes
    files_below "$target" "$2"
  fi
}

# Whether a folder is on a file system of the image.
in_image() {
  local top device
  local -a tops=("")
  device=$(stat -c %d "$ROOT$1/")
  if [ -z "$ROOT" ]; then mapfile -t tops < <(file_systems); fi
  for top in "${tops[@]}"; do
    if [ "$(stat -c %d "$ROOT$top/")" = "$device" ]; then return 0; fi
  done
  return 1
}

is_program() {
  local start
  start=$(head -c 4 "$ROOT$1" | tr -d '\0')
  [[ $start == $'\x7fELF' || $start == '#!'* ]]
}

# Prints the files at and below the places of some patterns that hold one.
credential_files() {
  local path name
  match "$@"
  files_at "${found_paths[@]}" | while IFS=$'\t' read -r path name; do
    if ! is_kept "$path" && ! is_kept "$name" && holds_credential "$path" "$name"; then echo "$path"; fi
  done | sort -u
}

# Prints what in a folder of private keys is none that anybody may see.
secret_key_files() {
  local path name
  match "$@"
  files_at "${found_paths[@]}" | while IFS=$'\t' read -r path name; do
    if [ ! -s "$ROOT$path" ] || is_kept "$path" || is_kept "$name"; then continue; fi
    # A certificate, a request, parameters: not a key in any form, also not a packed one. What is only linked here may be anything.
    if grep -qE --binary-files=text -e '-----BEGIN [A-Z ]*PRIVATE KEY' "$ROOT$path" ||
      { [ "$path" = "$name" ] && ! grep -qE -e '-----BEGIN (TRUSTED )?(CERTIFICATE|CERTIFICATE REQUEST|NEW CERTIFICATE REQUEST|DH PARAMETERS|PUBLIC KEY|X509 CRL)-----' "$ROOT$path"; }; then
      echo "$path"
    fi
  done | sort -u
}

# Prints the files below /etc/environment and others with a line that holds one; secret_line_numbers FILE prints which lines. A
# module that writes such a line on purpose knows these rules from secret-lines.ts, and lists the line.
secret_line="[A-Z0-9_]*(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY)[A-Z0-9_]*=[\"']?[^[:space:]\"']"
# shellcheck disable=SC2016 # a pattern
no_secret_line='(_FILE|_PATH|_DIR|_URL|_URI|_TYPE|_ID|_NAME|_HELPER|_COMMAND)=|=["'\'']?[$`]'

# Not a secret: how many tokens a model may use, and the settings of a tokenizer.
counted_tokens="^[0-9]+:(export )?([A-Z0-9_]*TOKENI[SZ][A-Z0-9_]*=[^[:space:];]*|[A-Z0-9_]*TOKENS=[\"']?[0-9]+[\"']?)\$"

not_kept_lines() {
  local kept=$ROOT/usr/lib/ci-images/kept-lines
  if [ ! -s "$kept" ]; then kept=/dev/null; fi
  awk -v kept="$kept" 'BEGIN { while ((getline line <kept) > 0) known[line] }
    { line = $0; sub(/^[0-9]+:/, "", line); if (!(line in known)) print }'
}

secret_line_numbers() {
  {
    grep -nE --binary-files=text -e "$secret_line" "$1" | grep -vE -e "$no_secret_line" -e "$counted_tokens" || true
    grep -nE --binary-files=text -e "$with_password" "$1" || true
  } | not_kept_lines | cut -d: -f1 | sort -un
}

environment_secrets() {
  local path
  match /etc/environment '/etc/environment.d/*' '~/.ssh/environment' '~/.pam_environment' '~/.config/environment.d/*' \
    '/etc/profile.d/*' /etc/apt/apt.conf '/etc/apt/apt.conf.d/*' /etc/dnf/dnf.conf /etc/yum.conf '/etc/systemd/system.conf.d/*'
  for path in "${found_paths[@]}"; do
    # What edits a link would put a file in its place.
    if ! resolve "$path" || [ ! -f "$ROOT$resolved" ] || is_kept "$resolved" || ! in_image "${resolved%/*}"; then continue; fi
    if [ -n "$(secret_line_numbers "$ROOT$resolved")" ]; then echo "$resolved"; fi
  done
}

# Settings of package sources have to stay, so a password in one ends the bake.
passwords_in_sources() {
  local path
  match /etc/apt/sources.list '/etc/apt/sources.list.d/*' '/etc/yum.repos.d/*' /etc/gitconfig '~/.gitconfig' /etc/dnf/dnf.conf /etc/yum.conf
  for path in "${found_paths[@]}"; do
    if ! resolve "$path" || [ ! -f "$ROOT$resolved" ]; then continue; fi
    case $path in
      *.repo | *.conf)
        if grep -qE '^[[:space:]]*(proxy_)?password[[:space:]]*[=:][[:space:]]*[^[:space:]$<{%]' "$ROOT$resolved"; then
          echo "$path: a password"
          continue
        fi
        ;;
    esac
    if grep -qE "$with_password" "$ROOT$resolved"; then echo "$path: a password in an address"; fi
  done
}
