// What a booted machine's console says of why nobody can log in: waiting longer would not help then. Pure.

/** Seconds after which a machine that asks for a login on its console would have answered by SSH, too, on emulated hardware. */
const loginGrace = 240;
/** Seconds that sshd gets to be started again after it has failed. */
const failureGrace = 20;

/** Notes when the console said what, as its log has no times. */
export class ConsoleVerdict {
  private loginSince?: number;
  private failedSince?: number;

  /**
   * @param log The console's log so far. @param now Milliseconds.
   * @returns why the machine will let nobody in; undefined while it may.
   */
  judge(log: string, now: number): string | undefined {
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
  "verification on this computer offers NoCloud and ConfigDrive; the image's datasource_list may lack both, or cloud-init may be turned off";
