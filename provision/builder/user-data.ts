// Renders a cloud machine's user data: its SSH host key (so that there is no blind trust on first use), the key that
// may log in, the bake's own SSH server, and the deadline at which it ends itself. Pure.
import { doorBootScript } from "./door.ts";

/** The content of the user data. */
export interface UserData {
  /** The ed25519 host key, OpenSSH format. */
  hostPrivateKey: string;
  /** The public half, a line `ssh-ed25519 AAAA...`. */
  hostPublicKey: string;
  /** The key that may log in as the image's default user, an authorized_keys line. */
  authorizedKey: string;
  /** The image's default user, for people to log in as. */
  loginUser: string;
  /** When the machine powers itself off; omitted if the cloud ends it. */
  deadline?: Date;
}

/** The deadline's unit. Sealing doesn't stop units of this name (seal/live.ts). */
export const deadlineUnit = "ci-images-builder-deadline";

/**
 * A script for `sh` that arms the deadline. It must run at every boot, because it leaves nothing on the disk, which
 * would end up in the image. If the deadline has passed, the machine powers off after a minute.
 */
export function deadlineScript(deadline: Date): string {
  const seconds = Math.floor(deadline.getTime() / 1000);
  // cloud-init runs this before sysinit.target, for which timers wait by default, and systemd-run waits for the timer
  // in spite of --no-block (systemd 252): without DefaultDependencies=no the machine would never come up.
  return `\
left=$((${seconds} - $(date +%s)))
[ "$left" -ge 60 ] || left=60
if [ -d /run/systemd/system ]; then
  systemd-run --quiet --unit=${deadlineUnit} --on-active="$left" --timer-property=AccuracySec=1s --timer-property=DefaultDependencies=no systemctl poweroff
else
  nohup shutdown -P "+$(((left + 59) / 60))" >/dev/null 2>&1 &
fi
`;
}

/**
 * Renders user data for cloud-init (https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh). With
 * `ssh_keys` given, cloud-init generates no other host keys.
 * @returns user data with private keys: a secret.
 */
export function cloudUserData(data: UserData): string {
  const config = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: data.hostPrivateKey, ed25519_public: data.hostPublicKey },
    ssh_authorized_keys: [data.authorizedKey],
  };
  // The deadline first, so that a machine whose boot fails later ends, too.
  return userDataOf(config, `${data.deadline ? deadlineScript(data.deadline) : ""}${doorBootScript(data)}`);
}

/**
 * User data with two parts: settings, and a script that runs early at every boot. The script is not a `bootcmd` of the
 * settings, because cloud-init would use it instead of a `bootcmd` in the image's own /etc/cloud: it doesn't merge the
 * two lists (https://cloudinit.readthedocs.io/en/latest/explanation/format.html).
 * @param settings The `#cloud-config` settings.
 * @param bootScript For `sh`.
 */
export function userDataOf(settings: object, bootScript: string): string {
  const parts = [
    { type: "text/cloud-config", content: `#cloud-config\n${JSON.stringify(settings)}\n` },
    { type: "text/cloud-boothook", content: `#cloud-boothook\n#!/bin/sh\n${bootScript}` },
  ];
  // JSON is valid YAML, without YAML's quoting rules.
  return `#cloud-config-archive\n${JSON.stringify(parts, undefined, 2)}\n`;
}
