// The startup script that gives a machine on Google Compute Engine its SSH host key if there is no cloud-init to read
// user data. Google's own Debian and Enterprise Linux images have Google's guest agent instead, which runs a startup
// script (https://cloud.google.com/compute/docs/instances/startup-scripts/linux). By then sshd already runs with
// another key, so an earlier connection is refused. Pure.
import { doorBootScript, type Door } from "./door.ts";
import { feed } from "../shell/shell.ts";

/** The host key. */
export interface HostKey {
  /** OpenSSH format, ed25519. */
  privateKey: string;
  /** A line `ssh-ed25519 AAAA...`. */
  publicKey: string;
}

/**
 * Renders the whole startup script: first the bake's own SSH server, then the host key, so that the server is ready
 * once the key is seen.
 * @returns text with the private key: a secret.
 */
export function startupScript(door: Door & { hostPublicKey: string }): string {
  const { hostPrivateKey: privateKey, hostPublicKey: publicKey } = door;
  return `#!/bin/sh\n${doorBootScript(door)}${hostKeyScript({ privateKey, publicKey })}`;
}

/**
 * Renders the part that installs the host key. It runs as root at every boot, and does nothing if the key is installed.
 * @returns text with the private key: a secret.
 */
export function hostKeyScript({ privateKey, publicKey }: HostKey): string {
  const [kind, key] = publicKey.trim().split(/\s+/);
  if (kind !== "ssh-ed25519" || !key) throw new TypeError("a host key is a line such as `ssh-ed25519 AAAA...`");
  const text = privateKey.endsWith("\n") ? privateKey : `${privateKey}\n`;
  return `#!/bin/sh
set -eu
umask 077
file=/etc/ssh/ssh_host_ed25519_key
if ! grep -qsF ${key} "$file.pub"; then
  cat >"$file.new" ${feed(text)}
  mv "$file.new" "$file"
  # The last step: where this is broken off, the next boot begins anew.
  echo ${kind} ${key} >"$file.pub"
  chmod 0644 "$file.pub"
  if command -v restorecon >/dev/null; then restorecon "$file" "$file.pub"; fi
  if [ -d /run/systemd/system ]; then
    # Debian calls it ssh, the others sshd; one of the two is not there.
    systemctl try-restart ssh.service || systemctl try-restart sshd.service
  else
    service ssh restart
  fi
fi
`;
}
