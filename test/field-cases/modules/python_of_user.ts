// A pipx tool, a virtual environment and an asdf-like shim in an account's home directory.
import type { Root } from "../../../provision/module.ts";

export const description = "Fills an account's Python folders";

export function modify(_name: string, root: Root): void {
  root.packages(["python3-venv", "pipx"]);
  root.run(`
    id field-python >/dev/null 2>&1 || useradd --create-home --shell /bin/bash field-python
    set -a; . /etc/environment; set +a
    runuser -u field-python -- env HOME=/home/field-python pipx install tox==4.23.2
    runuser -u field-python -- python3 -m venv /home/field-python/venv
    mkdir -p /home/field-python/.asdf/shims; printf '#!/bin/sh\\nexec /usr/bin/python3 "$@"\\n' >/home/field-python/.asdf/shims/python; chmod 755 /home/field-python/.asdf/shims/python
    chown -R field-python: /home/field-python/.asdf`);
  root.check(
    "the tool, the environment and the shim work",
    "runuser -u field-python -- /home/field-python/.local/bin/tox --version && runuser -u field-python -- /home/field-python/venv/bin/python -c 1 && /home/field-python/.asdf/shims/python -c 1",
    { timeoutSeconds: 180 },
  );
}
