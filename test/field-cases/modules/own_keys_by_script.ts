// A script adds a key to authorized_keys, as jenkins-infra/packer-images does for its agents.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Adds a key to an account's authorized_keys with a script";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFieldfieldfieldfieldfieldfieldfieldfieldfiel field";

export function modify(_name: string, root: Root): void {
  root.run(`
    id jenkins >/dev/null 2>&1 || useradd --create-home --uid 1001 --shell /bin/bash jenkins
    install -d -m 0700 -o jenkins -g jenkins /home/jenkins/.ssh /home/jenkins/agent
    echo '${key}' >/home/jenkins/.ssh/authorized_keys
    chown jenkins: /home/jenkins/.ssh/authorized_keys; chmod 600 /home/jenkins/.ssh/authorized_keys`);
  // Sealing removes keys that a script added, because it takes them for keys of the bake. Keys from `ssh_keys` of
  // add_user and from `files` are kept.
  root.check(
    "the key is on the builder, but not on the image",
    `if ${onBuilder}; then grep -q ' field$' /home/jenkins/.ssh/authorized_keys; else ! grep -qs ' field$' /home/jenkins/.ssh/authorized_keys; fi`,
  );
}
