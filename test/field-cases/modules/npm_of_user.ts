// An account's npm prefix, cache and an .npmrc without a secret.
import type { Root } from "../../../provision/module.ts";

export const description = "Fills an account's npm folders";

export function modify(_name: string, root: Root): void {
  root.packages(["npm"]);
  root.run(`
    id field-npm >/dev/null 2>&1 || useradd --create-home --shell /bin/bash field-npm
    printf 'prefix=/home/field-npm/.npm-global\\nfund=false\\nregistry-note=none\\n' >/home/field-npm/.npmrc; chown field-npm: /home/field-npm/.npmrc
    set -a; . /etc/environment; set +a
    runuser -u field-npm -- env HOME=/home/field-npm npm install --global --no-audit cowsay@1.6.0 yarn@1.22.22`);
  root.check(
    "the commands work, and settings and cache exist",
    "runuser -u field-npm -- env HOME=/home/field-npm /home/field-npm/.npm-global/bin/yarn --version && [ -s /home/field-npm/.npmrc ] && [ -d /home/field-npm/.npm/_cacache ]",
    { timeoutSeconds: 120 },
  );
}
