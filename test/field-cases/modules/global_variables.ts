// Global variables with quotes, and with `$HOME` that no shell expands.
import type { Root } from "../../../provision/module.ts";

export const description = "Writes variables into /etc/environment";

export function modify(_name: string, root: Root): void {
  root.run(`
    sed -i -E '/^(PATH|ImageOS|ACCEPT_EULA|XDG_CONFIG_HOME|DEBIAN_FRONTEND|CONDA|LANG|BASH_ENV|GREP_OPTIONS|GREP_COLORS|POSIXLY_CORRECT|IFS|CDPATH|TZ)=/d' /etc/environment
    cat >>/etc/environment <<'END'
PATH="/opt/pipx_bin:$HOME/.cargo/bin:$HOME/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
ImageOS=field
ACCEPT_EULA=Y
XDG_CONFIG_HOME=$HOME/.config
DEBIAN_FRONTEND=noninteractive
BASH_ENV=/etc/field-bash-env
CDPATH=.:/opt
TZ=Asia/Kathmandu
POSIXLY_CORRECT=1
END
    echo 'cd() { builtin cd "$@" && echo "now in $PWD"; }; ls() { command ls --color=always "$@"; }; alias rm="rm -i"' >/etc/field-bash-env`);
  root.check(
    "the variables are set",
    "grep -q '^PATH=\"/opt/pipx_bin' /etc/environment && grep -qx TZ=Asia/Kathmandu /etc/environment",
  );
}
