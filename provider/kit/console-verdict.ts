// Reads a machine's console to tell when waiting for a login is pointless, and why. Pure.

/** Why nobody can log in, in the order in which they are looked for. */
type Kind = "panic" | "root" | "source" | "sshd" | "prompt";

/** What a console says. */
interface Symptom {
  kind: Kind;
  found: string;
}

const sshServer = String.raw`.*(ssh\.service|sshd\.service|OpenBSD Secure Shell|OpenSSH)`;

/** Why nobody can log in, as far as the console's log says. */
export function symptomOf(log: string): Symptom | undefined {
  if (/Kernel panic - not syncing/.test(log)) return { kind: "panic", found: "its kernel has panicked" };
  if (/^ALERT!.*does not exist/m.test(log))
    return { kind: "root", found: "its initial ramdisk does not find the root file system" };
  if (/ci-images: cloud-init has made no SSH host keys/.test(log))
    return { kind: "source", found: "cloud-init does not run on it, so nobody can log in" };
  if (/Datasource DataSourceNone\b/.test(log))
    return { kind: "source", found: "cloud-init has found no data source, so nobody can log in" };
  // systemd may start it again, with success.
  if (lastOf(`Failed to start ${sshServer}`, log) > lastOf(`Started ${sshServer}`, log))
    return { kind: "sshd", found: "its SSH server does not start" };
  if (/^\S+ login: ?$/m.test(log))
    return { kind: "prompt", found: "its console shows a login prompt, and SSH accepts no logins" };
  return undefined;
}

function lastOf(pattern: string, log: string): number {
  return [...log.matchAll(new RegExp(pattern, "g"))].at(-1)?.index ?? -1;
}

/** What is specific to where a machine runs. */
export interface Place {
  /** Seconds for which the console must show each symptom before waiting is pointless; without one, waiting goes on. */
  grace: Partial<Record<Kind, number>>;
  /** What the user can do, by symptom. */
  cures: Partial<Record<Kind, string>>;
}

/** Emulated hardware on this computer: slow, and its log is always up to date. */
export const onThisComputer: Place = {
  // systemd restarts a failed sshd, and a login prompt may come minutes before sshd.
  grace: { panic: 0, root: 0, source: 0, sshd: 20, prompt: 240 },
  cures: {
    panic: "run `pulumi up` again, which repeats the verification; without KVM it may be the emulator's fault",
    source:
      "verification on this computer offers NoCloud and ConfigDrive; the image's datasource_list may lack both, a modprobe rule may forbid vfat, or cloud-init may be turned off",
  },
};

/**
 * A cloud. Clouds deliver the log late, and after a restart may still show the earlier boot. A missing data source
 * doesn't end the wait, because the cloud's own agent may let people in; nor does a login prompt, because somebody may
 * still open a firewall.
 */
export const inCloud: Place = {
  grace: { panic: 60, root: 60, sshd: 60 },
  cures: { source: "the image's datasource_list may lack this cloud's, or cloud-init may be turned off" },
};

/** A symptom with its cure, for messages. */
export function explained({ kind, found }: Symptom, { cures }: Place): string {
  return [found, cures[kind]].filter(Boolean).join(": ");
}

/** Judges a console's log. Remembers since when it has shown a symptom, because the log has no times. */
export class ConsoleVerdict {
  private kind?: Kind;
  private since = 0;

  constructor(private readonly place: Place) {}

  /**
   * @param log The console's log so far. @param now Milliseconds.
   * @returns why no login will ever work; undefined while one still may.
   */
  judge(log: string, now: number): string | undefined {
    const symptom = symptomOf(log);
    if (symptom?.kind !== this.kind) {
      this.kind = symptom?.kind;
      this.since = now;
    }
    if (!symptom) return undefined;
    const grace = this.place.grace[symptom.kind];
    if (grace === undefined || now - this.since < grace * 1000) return undefined;
    const waited = symptom.kind === "prompt" ? ` for ${grace} s` : "";
    return `${explained(symptom, this.place)}${waited}`;
  }
}
