// Sets variables for all users in /etc/environment, which PAM reads for logins, SSH commands, su, sudo and cron, on
// every family.

/**
 * Bash functions for a script: `set_variable NAME VALUE` sets a variable in /etc/environment, replacing an earlier
 * value. The value must be one line without `#`, `"` or `'`, because the file has no quoting.
 */
export const environmentFunctions = `\
set_variable() {
  touch /etc/environment
  sed -i "/^$1=/d" /etc/environment
  # The last line may lack its line break.
  if [ -n "$(tail -c 1 /etc/environment)" ]; then echo >>/etc/environment; fi
  printf '%s=%s\\n' "$1" "$2" >>/etc/environment
}`;
