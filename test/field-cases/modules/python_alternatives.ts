// python, pip and editors chosen with update-alternatives. System tools keep their interpreter.
import type { Root } from "../../../provision/module.ts";

export const description = "Chooses commands with update-alternatives";

export function modify(_name: string, root: Root): void {
  root.packages(["python3", "python3-venv", "vim-tiny", "nano"]);
  root.run(`
    python3 -m venv --symlinks /opt/field-python
    update-alternatives --install /usr/bin/python python /usr/bin/python3 10
    update-alternatives --install /usr/bin/python python /opt/field-python/bin/python3 20 --slave /usr/bin/pip pip /opt/field-python/bin/pip
    update-alternatives --set editor /usr/bin/vim.tiny
    update-alternatives --install /usr/bin/java java /bin/true 1`);
  root.check(
    "the chosen commands run",
    `[ "$(readlink /etc/alternatives/python)" = /opt/field-python/bin/python3 ] && python -c 1 && pip --version | grep -q /opt/field-python && [ "$(readlink -f /usr/bin/editor)" = /usr/bin/vim.tiny ]`,
  );
  root.check("python3 is still the system's", `[ "$(/usr/bin/python3 -c 'import sys; print(sys.prefix)')" = /usr ]`);
}
