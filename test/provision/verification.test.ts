// The first check on a machine booted from an image, where Google's guest environment is there instead of cloud-init.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { verificationChecks } from "../../provision/verification.ts";

describe("the wait for a machine's first boot", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-verification-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const program = (name: string, script: string) =>
    writeFile(join(folder, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };
  const run = () =>
    execa("/bin/bash", ["-euo", "pipefail", "-s"], {
      input: verificationChecks(builder)[0].script,
      // Nothing of this computer: it may have a cloud-init of its own.
      env: { PATH: folder },
      extendEnv: false,
      reject: false,
    });

  /** A systemctl that knows Google's startup scripts, which end as told at the second look. */
  const systemctl = (state: string, result: string) =>
    program(
      "systemctl",
      `case $* in
is-enabled*) echo enabled ;;
*ActiveState*) if [ -e ${folder}/looked ]; then echo ${state}; else : >${folder}/looked; echo activating; fi ;;
*Result*) echo ${result} ;;
esac`,
    );

  it("is for the startup scripts where there is no cloud-init", async () => {
    await systemctl("inactive", "success");
    await program("sleep", `: >${folder}/slept`);
    const { exitCode, stdout } = await run();
    assert.equal(exitCode, 0);
    assert.match(stdout, /it is inactive: success/);
  });

  it("fails when they failed", async () => {
    await program("sleep", "");
    await systemctl("failed", "exit-code");
    assert.equal((await run()).exitCode, 1);
  });

  it("fails where there is neither", async () => {
    await program("systemctl", "exit 1");
    for (const name of ["cat", "grep"]) await program(name, "exit 1");
    assert.notEqual((await run()).exitCode, 0);
  });
});
