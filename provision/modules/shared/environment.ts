// Variables for everybody: /etc/environment is read (by PAM) for logins, commands by SSH, su, sudo and cron alike, on every family.

/**
 * Bash functions for a script: `set_variable NAME VALUE` puts a variable into /etc/environment, in place of an earlier value. The
 * value must be of one line and without `#`, `"` and `'`: the file knows no quoting.
 */
export const environmentFunctions = `\
set_variable() {
  touch /etc/environment
  sed -i "/^$1=/d" /etc/environment
  # The last line may lack its line break.
  if [ -n "$(tail -c 1 /etc/environment)" ]; then echo >>/etc/environment; fi
  printf '%s=%s\\n' "$1" "$2" >>/etc/environment
}`;
