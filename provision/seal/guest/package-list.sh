package_list() {
  if command -v dpkg-query >/dev/null; then
    dpkg-query --show --showformat='${db:Status-Abbrev}\t${binary:Package}\t${Version}\n' | awk -F'\t' '$1 ~ /^.i/ { print $2 "\t" $3 }'
  else
    rpm --query --all --queryformat '%{NAME}\t%{EVR}\n'
  fi | LC_ALL=C sort
}
