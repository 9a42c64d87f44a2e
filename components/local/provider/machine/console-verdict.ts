// Reads a machine's console to tell when waiting for a login is pointless. Pure.

/** Seconds from the console's login prompt until SSH must answer, even on emulated hardware. */
const loginGrace = 240;
/** Seconds that systemd gets to restart a failed sshd. */
const failureGrace = 20;

/** Judges a console's log. Remembers when it first saw a symptom, because the log has no times. */
export class ConsoleVerdict {
  private loginSince?: number;
  private failedSince?: number;

  /**
   * @param log The console's log so far. @param now Milliseconds.
   * @returns why no login will ever work; undefined while one still may.
   */
  judge(log: string, now: number): string | undefined {
    if (/Kernel panic - not syncing/.test(log)) return `its kernel has panicked: ${emulated}`;
    if (/^ALERT!.*does not exist/m.test(log)) return "its initial ramdisk does not find the root file system";
    if (/ci-images: cloud-init has made no SSH host keys/.test(log)) {
      return `cloud-init does not run on it, so nobody can log in: ${noSource}`;
    }
    if (/Datasource DataSourceNone\b/.test(log))
      return `cloud-init has found no data source, so nobody can log in: ${noSource}`;
    if (/Failed to start .*(ssh\.service|sshd\.service|OpenBSD Secure Shell|OpenSSH)/.test(log))
      this.failedSince ??= now;
    if (/^\S+ login: ?$/m.test(log)) this.loginSince ??= now;
    if (passed(this.failedSince, failureGrace)) return "its SSH server does not start";
    if (passed(this.loginSince, loginGrace)) {
      return `it has been up for ${loginGrace} s (its console shows a login prompt), and SSH accepts no logins`;
    }
    return undefined;

    function passed(since: number | undefined, seconds: number): boolean {
      return since !== undefined && now - since >= seconds * 1000;
    }
  }
}

const noSource =
  "verification on this computer offers NoCloud and ConfigDrive; the image's datasource_list may lack both, a modprobe rule may forbid vfat, or cloud-init may be turned off";

const emulated = "run `pulumi up` again, which repeats the verification; without KVM it may be the emulator's fault";
