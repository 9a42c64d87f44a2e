// A booted machine that will never accept a login says so on its console, so we can stop waiting.
import assert from "node:assert/strict";
import { ConsoleVerdict } from "../../../../components/local/provider/machine/console-verdict.ts";

describe("the console of a machine that accepts no logins", () => {
  const judge = (log: string, ...seconds: number[]): (string | undefined)[] => {
    const verdict = new ConsoleVerdict();
    return seconds.map((second) => verdict.judge(log, second * 1000));
  };

  it("reports at once a cloud-init that found no data source", () => {
    const own = "ci-images: cloud-init has made no SSH host keys on this machine, so ssh-keygen has\n";
    assert.match(judge(own, 0)[0]!, /cloud-init does not run on it.*datasource_list/);
    const none = "Cloud-init v. 22.4.2 finished at Wed, 25 Nov 2026. Datasource DataSourceNone.  Up 20 seconds\n";
    assert.match(judge(none, 0)[0]!, /found no data source/);
  });

  it("reports at once a kernel that panicked, and a ramdisk without the root file system", () => {
    assert.match(judge("[   12.2] Kernel panic - not syncing: Fatal exception in interrupt\n", 0)[0]!, /has panicked/);
    const shell = "ALERT!  UUID=ff6d486a-8f4a does not exist.  Dropping to a shell!\n\n(initramfs) ";
    assert.match(judge(shell, 0)[0]!, /initial ramdisk does not find the root/);
  });

  it("reports an SSH server that does not start, unless it soon does", () => {
    const failed = "[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.\n";
    assert.deepEqual(judge(failed, 0, 10), [undefined, undefined]);
    assert.match(judge(failed, 0, 25)[1]!, /SSH server does not start/);
  });

  it("reports a machine that is up without an SSH server", () => {
    const up = "Debian GNU/Linux 12 image-under-test ttyS0\n\nimage-under-test login: ";
    assert.equal(judge(up, 0, 60)[1], undefined);
    assert.match(judge(up, 0, 250)[1]!, /SSH accepts no logins/);
  });

  it("reports nothing for a healthy machine", () => {
    const well = "Cloud-init v. 22.4.2 finished at Wed. Datasource DataSourceNoCloud [seed=/dev/vdb].  Up 20 seconds\n";
    assert.deepEqual(judge(well, 0, 500), [undefined, undefined]);
  });
});
