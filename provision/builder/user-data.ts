// A cloud machine's user data: its SSH host key (so that there is no blind trust on first use), the key that may log
// in, the bake's own SSH server, and the deadline at which it ends itself. Pure.
import { doorBootScript } from "./door.ts";

/** What goes into the user data. */
export interface UserData {
  /** The ed25519 host key, OpenSSH format. */
  hostPrivateKey: string;
  /** Its public half, a line `ssh-ed25519 AAAA...`. */
  hostPublicKey: string;
  /** The key that may log in as the image's default user, an authorized_keys line. */
  authorizedKey: string;
  /** The image's default user, whom people log in as. */
  loginUser: string;
  /** When the machine powers itself off in any case; left out if the cloud ends it. */
  deadline?: Date;
}

/** The deadline's unit; sealing doesn't stop units of this name (seal/live.ts). */
export const deadlineUnit = "ci-images-builder-deadline";

/**
 * A script for `sh` that arms the deadline. It has to run at every boot and leaves nothing on the disk, which would end
 * up in the image. If the deadline has passed, the machine powers off after a minute.
 */
export function deadlineScript(deadline: Date): string {
  const seconds = Math.floor(deadline.getTime() / 1000);
  // cloud-init runs this before sysinit.target, which timers wait for by default; and systemd-run waits for the timer
  // in spite of --no-block (systemd 252): the machine would never come up.
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
 * @returns user data that holds private keys, so it is a secret.
 */
export function cloudUserData(data: UserData): string {
  const config = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: data.hostPrivateKey, ed25519_public: data.hostPublicKey },
    ssh_authorized_keys: [data.authorizedKey],
  };
  // The deadline first: a machine whose boot fails later must end, too.
  return userDataOf(config, `${data.deadline ? deadlineScript(data.deadline) : ""}${doorBootScript(data)}`);
}

/**
 * User data of two parts: settings, and a script that runs early at every boot. The script is not a `bootcmd` of the
 * settings, because that would replace a `bootcmd` in the image's own /etc/cloud: cloud-init does not merge the two
 * lists (https://cloudinit.readthedocs.io/en/latest/explanation/format.html).
 * @param settings The `#cloud-config` settings.
 * @param bootScript For `sh`.
 */
export function userDataOf(settings: object, bootScript: string): string {
  const parts = [
    { type: "text/cloud-config", content: `#cloud-config\n${JSON.stringify(settings)}\n` },
    { type: "text/cloud-boothook", content: `#cloud-boothook\n#!/bin/sh\n${bootScript}` },
  ];
  // JSON is YAML, without the quoting rules.
  return `#cloud-config-archive\n${JSON.stringify(parts, undefined, 2)}\n`;
}
