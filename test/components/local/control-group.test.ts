// Removing a machine's control group while the kernel still holds its killed processes.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { controlGroupOf, removeControlGroup } from "../../../components/local/provider/machine/control-group.ts";

describe("control group of a local machine", function () {
  this.timeout(60_000);

  it("is removed after its last process is gone, even if that takes seconds and a new group appears inside", async () => {
    const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((each) =>
      existsSync(join(each, "cgroup.controllers")),
    );
    assert.ok(root, "this computer has version 2 of control groups");
    const directory = `/nowhere/test-${process.pid}`;
    const group = join(root, controlGroupOf(directory));
    await mkdir(join(group, "guest"), { recursive: true });
    const sleeper = execa("sleep", ["3"]);
    try {
      await writeFile(join(group, "guest/cgroup.procs"), String(sleeper.pid));
      const removal = removeControlGroup(directory);
      await mkdir(join(group, "later"));
      await removal;
      assert.equal(existsSync(group), false);
    } finally {
      sleeper.kill("SIGKILL");
      await sleeper.catch(() => undefined);
      for (const each of ["guest", "later", ""]) await rmdir(join(group, each)).catch(() => undefined);
    }
  });
});
