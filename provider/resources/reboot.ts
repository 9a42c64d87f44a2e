// A reboot in the middle of provisioning. A remote Command can't do it well: it either dies with the connection or ends
// before the machine does. This resource waits until the machine is back with another boot id.
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../common/user-error.ts";
import type { ResourceType } from "../resource.ts";
import { runOverSsh, type SshTarget } from "../ssh.ts";

export interface RebootInputs {
  /** How to reach the machine. */
  connection: SshTarget;
  /** Reboots again when one of these changes. */
  triggers: string[];
  /** Seconds until the machine must be back. */
  deadline: number;
}

export interface RebootState extends RebootInputs {
  /** The boot that runs now. */
  bootId: string;
}

const askBootId = "cat /proc/sys/kernel/random/boot_id /proc/1/stat | tr '\\n' ' '";

/** `ci-images:index:Reboot`. */
export const reboot: ResourceType<RebootInputs, RebootState> = {
  token: "ci-images:index:Reboot",
  inputs: {
    type: "object",
    properties: {
      connection: { type: "object" },
      triggers: { type: "array", items: { type: "string" } },
      deadline: { type: "number", minimum: 1 },
    },
    required: ["connection", "triggers", "deadline"],
  },
  replaceOn: ["triggers"],
  secretOutputs: ["connection"],
  async create(inputs, { progress, signal }) {
    const { connection, deadline } = inputs;
    const before = identity(await runOverSsh(connection, askBootId, 30_000, signal));
    // The answer must be out before sshd is stopped, so the reboot comes from a timer of the machine's own.
    const order = "sudo -n systemd-run --quiet --on-active=0.2s --timer-property=AccuracySec=100ms systemctl reboot";
    await runOverSsh(connection, order, 30_000, signal);
    progress("rebooting", true);
    const started = Date.now();
    let last = "";
    while (Date.now() - started < deadline * 1000) {
      signal.throwIfAborted();
      await sleep(300);
      try {
        const now = identity(await runOverSsh(connection, askBootId, 15_000, signal));
        if (now !== before) {
          progress(`rebooted in ${((Date.now() - started) / 1000).toFixed(1)} s`);
          return { id: now, outputs: { ...inputs, bootId: now } };
        }
      } catch (error) {
        // Expected while the machine is down; told when it never comes back.
        last = (error as Error).message;
      }
    }
    throw new UserError({
      where: `${connection.host}:${connection.port}`,
      found: `did not come back within ${deadline} s after a reboot${last && ` (${last})`}`,
      cure: "look at the machine's console; `pulumi up` tries again, `pulumi destroy` removes it",
    });
  },
};

/**
 * Tells one boot from the next. A container shares the boot id of its host's kernel, so the start time of its process 1
 * (field 22 of /proc/1/stat, after the command's name in parentheses) belongs to it.
 */
function identity(output: string): string {
  const [bootId, ...stat] = output.trim().split(" ");
  const fields = stat.join(" ").replace(/^.*\) /, "").split(" ");
  return `${bootId}-${fields[19]}`;
}
