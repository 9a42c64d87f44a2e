// pip installs newer versions of packages that cloud-init imports, a common cause of images that get no SSH keys.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs newer Python packages over the system's";

export function modify(_name: string, root: Root): void {
  root.packages(["python3-pip"]);
  root.run(`
    rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
    set -a; . /etc/environment; set +a
    pip3 install --quiet --root-user-action=ignore --upgrade requests urllib3 jinja2 pyyaml jsonschema ansible-core yamllint`);
  root.check(
    "Python uses the newer packages",
    `python3 -c 'import requests, yaml, jinja2; assert requests.__file__.startswith("/usr/local/")' && ansible --version >/dev/null`,
  );
}
