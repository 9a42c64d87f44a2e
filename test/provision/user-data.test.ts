// User data for cloud-init, and the deadline's shell script.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { load } from "js-yaml";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { cloudUserData, deadlineScript } from "../../provision/builder/user-data.ts";

describe("user data of a cloud machine", () => {
  const host = makeSshKeyPair("host");
  const inAnHour = () => new Date(Date.now() + 3600_000);
  const text = cloudUserData({
    hostPrivateKey: host.privateKey,
    hostPublicKey: host.publicKey,
    authorizedKey: "ssh-ed25519 AAAA it's me",
    loginUser: "admin",
    deadline: inAnHour(),
  });

  it("pins the host key, authorizes the login key, and arms the deadline at every boot", () => {
    assert.match(text, /^#cloud-config-archive\n/);
    const [settings, hook] = load(text) as { type: string; content: string }[];
    assert.deepEqual([settings.type, hook.type], ["text/cloud-config", "text/cloud-boothook"]);
    const config = load(settings.content) as Record<string, unknown>;
    assert.deepEqual(config.ssh_keys, { ed25519_private: host.privateKey, ed25519_public: host.publicKey });
    assert.equal(config.ssh_deletekeys, true);
    assert.deepEqual(config.ssh_authorized_keys, ["ssh-ed25519 AAAA it's me"]);
    assert.equal(config.bootcmd, undefined, "it would replace the recipe's bootcmd");
    assert.match(hook.content, /^#cloud-boothook\n#!\/bin\/sh\n[\s\S]*systemd-run .*systemctl poweroff/);
  });

  /** Runs the boot command like cloud-init, with fake programs. @returns their command lines. */
  async function arm(when: Date, systemd: boolean): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-deadline-"));
    try {
      for (const name of ["systemd-run", "shutdown"]) {
        const said = join(folder, "said");
        await writeFile(join(folder, name), `#!/bin/sh\necho "${name} $*" >${said}\n`, { mode: 0o755 });
      }
      const script = deadlineScript(when).replace("[ -d /run/systemd/system ]", systemd ? "true" : "false");
      await execa("sh", ["-euc", `${script}wait`], { env: { PATH: `${folder}:${process.env.PATH}` } });
      return await readFile(join(folder, "said"), "utf8");
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it("arms no deadline if the cloud deletes the machine", () => {
    const without = cloudUserData({ hostPrivateKey: "a", hostPublicKey: "b", authorizedKey: "c", loginUser: "d" });
    assert.doesNotMatch(without, /poweroff/);
  });

  it("fits into EC2's limit of 16 KiB", () => {
    assert.ok(Buffer.byteLength(text) < 12_000, `${text.length} bytes`);
  });

  it("powers off at the deadline, or a minute after a boot past the deadline", async () => {
    const left = Number(/--on-active=(\d+)/.exec(await arm(inAnHour(), true))?.[1]);
    assert.ok(left > 3500 && left <= 3600, `${left} seconds`);
    assert.match(await arm(new Date(0), true), /--on-active=60 /);
  });

  it("uses `shutdown` without systemd", async () => {
    assert.match(await arm(inAnHour(), false), /^shutdown -P \+60$/m);
  });
});
