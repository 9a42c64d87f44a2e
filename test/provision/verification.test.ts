// Verification checks: the wait for the first boot with Google's guest environment, and the login user of cloud-init.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { builderChecks, verificationChecks } from "../../provision/builder/verification.ts";
import { quote } from "../../provision/shell/shell.ts";
import { inNamespace } from "./bash.ts";

const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };

describe("verification checks", () => {
  it("have ten minutes if they go through the file system, which may be large", () => {
    const walking = verificationChecks(builder, "debian").filter(({ script }) => /\bfind (?!.*-maxdepth)/.test(script));
    assert.equal(walking.length, 2);
    for (const { what, timeoutSeconds } of walking) assert.equal(timeoutSeconds, 600, what);
  });
});

describe("the wait for a machine's first boot", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-verification-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const program = (name: string, script: string) =>
    writeFile(join(folder, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  const run = () =>
    execa("/bin/bash", ["-euo", "pipefail", "-s"], {
      input: verificationChecks(builder, "debian")[0].script,
      // Only the fake programs: this computer may have cloud-init.
      env: { PATH: folder },
      extendEnv: false,
      reject: false,
    });

  /** Makes a fake systemctl. Google's startup scripts end with this state and result at the second call. */
  const systemctl = (state: string, result: string) =>
    program(
      "systemctl",
      `case $* in
is-enabled*) echo enabled ;;
*ActiveState*) if [ -e ${folder}/looked ]; then echo ${state}; else : >${folder}/looked; echo activating; fi ;;
*Result*) echo ${result} ;;
esac`,
    );

  it("waits for Google's startup scripts if there is no cloud-init", async () => {
    await systemctl("inactive", "success");
    await program("sleep", `: >${folder}/slept`);
    const { exitCode, stdout } = await run();
    assert.equal(exitCode, 0);
    assert.match(stdout, /it is inactive: success/);
  });

  it("fails if they failed", async () => {
    await program("sleep", "");
    await systemctl("failed", "exit-code");
    assert.equal((await run()).exitCode, 1);
  });

  it("fails without cloud-init and without Google's startup scripts", async () => {
    await program("systemctl", "exit 1");
    for (const name of ["cat", "grep"]) await program(name, "exit 1");
    assert.notEqual((await run()).exitCode, 0);
  });
});

describe("the wait for cloud-init on a machine's first boot", () => {
  const json = (value: object) => JSON.stringify(value, undefined, 1);
  const result = (...errors: string[]) => json({ v1: { datasource: "DataSourceNoCloud", errors } });
  const status = (...errors: string[]) =>
    json({ v1: { init: { errors: [], finished: 1.5 }, stage: null, final: { errors } } });

  /** Runs the check where cloud-init's command, if it is started, answers `answer`. */
  const run = (prepare: string, answer: string) =>
    inNamespace(`set -eu
mkdir /run/bin /run/cloud-init
printf '#!/bin/bash\necho "cloud-init was asked"\necho "status: %s"\n' ${answer} >/run/bin/cloud-init
chmod +x /run/bin/cloud-init
PATH=/run/bin:$PATH
${prepare}
bash -eu <<'END_OF_CHECK'
${verificationChecks(builder, "debian")[0].script}
END_OF_CHECK`);
  const enabled = ": >/run/cloud-init/enabled";
  const put = (name: string, content: string) => `printf '%s' ${quote(content)} >/run/cloud-init/${name}.json`;

  it("ends as soon as the result is there, without starting cloud-init's slow command", async () => {
    const later = `{ sleep 1; ${put("status", status())}; ${put("result", result())}; } &`;
    const { exitCode, stdout } = await run(`${enabled}\n${later}`, "error");
    assert.deepEqual([exitCode, stdout], [0, "result.json: no errors"]);
  });

  for (const [where, files] of [
    ["the result", [put("result", result("it broke")), put("status", status())]],
    ["a stage", [put("result", result()), put("status", status("it broke"))]],
  ] as const) {
    it(`fails where ${where} has errors`, async () => {
      const { exitCode, stdout } = await run([enabled, ...files].join("\n"), "error");
      assert.match(String(stdout), /cloud-init was asked\nstatus: error/);
      assert.equal(exitCode, 1);
    });
  }

  it("fails where cloud-init is turned off", async () => {
    const { exitCode, stdout } = await run("true", "disabled");
    assert.match(String(stdout), /status: disabled/);
    assert.equal(exitCode, 1);
  });
});

describe("the check that cloud-init lets the login user in", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-verification-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /**
   * Runs the check with a fake cloud-init that has this configuration. The check finds the library by its shebang line.
   */
  const run = async (config: object, loginUser = "debian") => {
    await mkdir(join(folder, "cloudinit"));
    await writeFile(join(folder, "cloudinit/__init__.py"), "");
    const library = `import json\ndef read_conf_with_confd(path): return json.loads(${JSON.stringify(JSON.stringify(config))})\n`;
    await writeFile(join(folder, "cloudinit/util.py"), library);
    await writeFile(join(folder, "python"), `#!/bin/sh\nPYTHONPATH=${folder} exec python3 "$@"\n`, { mode: 0o755 });
    await writeFile(join(folder, "cloud-init"), `#! ${folder}/python -s\n`, { mode: 0o755 });
    return execa("/bin/bash", ["-euo", "pipefail", "-s"], {
      input: builderChecks(loginUser)[0].script,
      env: { PATH: `${folder}:${process.env.PATH}` },
      reject: false,
      all: true,
    });
  };
  const defaultUser = (name: string) => ({ system_info: { default_user: { name } } });

  it("passes with the distribution's settings and with additional users", async () => {
    assert.equal((await run({ users: ["default", { name: "builder" }], ...defaultUser("debian") })).exitCode, 0);
  });

  it("names the account and the cure if a recipe has changed the default user", async () => {
    const { exitCode, all } = await run(defaultUser("builder"));
    assert.notEqual(exitCode, 0);
    assert.match(all, /default_user in \/etc\/cloud is builder.*logs in as debian.*users: \[default/s);
  });

  it("passes for root if cloud-init allows root", async () => {
    const { exitCode } = await run({ disable_root: false, ...defaultUser("debian") }, "root");
    assert.equal(exitCode, 0);
  });

  it("fails for a list of users without the default one", async () => {
    const { exitCode, all } = await run({ users: [{ name: "builder" }], ...defaultUser("debian") });
    assert.notEqual(exitCode, 0);
    assert.match(all, /no entry default/);
  });
});
