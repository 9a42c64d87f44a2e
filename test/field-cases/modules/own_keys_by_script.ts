// A script of the recipe lets an account in, as jenkins-infra/packer-images does for its agents.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Puts a public key into an account's authorized_keys by a script";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFieldfieldfieldfieldfieldfieldfieldfieldfiel field";

export function modify(_name: string, root: Root): void {
  root.run(`
    id jenkins >/dev/null 2>&1 || useradd --create-home --uid 1001 --shell /bin/bash jenkins
    install -d -m 0700 -o jenkins -g jenkins /home/jenkins/.ssh /home/jenkins/agent
    echo '${key}' >/home/jenkins/.ssh/authorized_keys
    chown jenkins: /home/jenkins/.ssh/authorized_keys; chmod 600 /home/jenkins/.ssh/authorized_keys`);
  // Sealing takes keys that a script puts there for the bake's: `ssh_keys` of add_user and `files` are the ways to keep some.
  root.check(
    "the key is there, and not on the image",
    `if ${onBuilder}; then grep -q ' field$' /home/jenkins/.ssh/authorized_keys; else ! grep -qs ' field$' /home/jenkins/.ssh/authorized_keys; fi`,
  );
}
