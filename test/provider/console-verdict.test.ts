// A booted machine that will never accept a login says so on its console, so we can stop waiting.
import assert from "node:assert/strict";
import { ConsoleVerdict, inCloud, onThisComputer } from "../../provider/kit/console-verdict.ts";
import { ConsoleWatch } from "../../provider/kit/saved-console.ts";

describe("the console of a machine that accepts no logins", () => {
  const judge = (log: string, ...seconds: number[]): (string | undefined)[] => {
    const verdict = new ConsoleVerdict(onThisComputer);
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
    const restarted = `${failed}[  OK  ] Started ssh.service - OpenBSD Secure Shell server.\n`;
    assert.deepEqual(judge(restarted, 0, 100), [undefined, undefined]);
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

  it("ends the wait in a cloud only for what can't change: no data source may be made up for by the cloud's agent", () => {
    const inTheCloud = (log: string) => {
      const verdict = new ConsoleVerdict(inCloud);
      return [0, 30, 60].map((second) => verdict.judge(log, second * 1000));
    };
    const panic = "[   12.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n";
    assert.deepEqual(inTheCloud(panic), [undefined, undefined, "its kernel has panicked"]);
    for (const log of ["Datasource DataSourceNone.  Up 20 seconds\n", "worker login: "]) {
      assert.deepEqual(inTheCloud(log), [undefined, undefined, undefined]);
    }
  });

  it("is read now and then in a cloud, from the first minute on, and no more once that fails", async () => {
    const read: number[] = [];
    let now = 0;
    const at = async (watch: ConsoleWatch, seconds: number) => watch.reason((now = seconds * 1000));
    const panicked = new ConsoleWatch(() => {
      read.push(now / 1000);
      return Promise.resolve("Kernel panic - not syncing");
    }, 0);
    const answers = [];
    for (let seconds = 0; seconds <= 120; seconds += 10) answers.push(await at(panicked, seconds));
    assert.deepEqual(read, [60, 90, 120]);
    assert.equal(
      answers.findIndex((answer) => answer !== undefined),
      12,
      "after two minutes",
    );

    let tries = 0;
    const denied = new ConsoleWatch(() => {
      tries++;
      return Promise.reject(new Error("denied"));
    }, 0);
    for (const seconds of [60, 90, 120]) assert.equal(await at(denied, seconds), undefined);
    assert.equal(tries, 1);
  });
});
