// The startup script that installs a machine's host key, run on a folder instead of /etc/ssh.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { hostKeyScript } from "../../provision/builder/startup-script.ts";

describe("the startup script", () => {
  const host = makeSshKeyPair("it's the host");
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-startup-"));
    // As on Debian, where ssh.service exists.
    await writeFile(join(folder, "systemctl"), `#!/bin/sh\necho "$*" >>${folder}/said\n`, { mode: 0o755 });
    await writeFile(join(folder, "ssh_host_ed25519_key"), "another\n", { mode: 0o600 });
    await writeFile(join(folder, "ssh_host_ed25519_key.pub"), "ssh-ed25519 AAAAanother\n");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const run = () => {
    const script = hostKeyScript({ privateKey: host.privateKey, publicKey: host.publicKey })
      .replaceAll("/etc/ssh/", `${folder}/`)
      .replace("[ -d /run/systemd/system ]", "true");
    assert.match(script, /^#!\/bin\/sh\n/);
    return execa("sh", [], { input: script, env: { PATH: `${folder}:${process.env.PATH}` } });
  };

  it("installs the key for root only, and restarts sshd", async () => {
    await run();
    const file = join(folder, "ssh_host_ed25519_key");
    assert.equal((await readFile(file, "utf8")).trim(), host.privateKey.trim());
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const line = host.publicKey.split(" ").slice(0, 2).join(" ");
    assert.equal((await readFile(`${file}.pub`, "utf8")).trim(), line);
    assert.equal((await stat(`${file}.pub`)).mode & 0o777, 0o644);
    const { stdout } = await execa("ssh-keygen", ["-y", "-f", file]);
    assert.equal(stdout.split(" ").slice(0, 2).join(" "), line, "OpenSSH can read the key");
    assert.equal(await readFile(join(folder, "said"), "utf8"), "try-restart ssh.service\n");
  });

  it("changes nothing at the next boot", async () => {
    await run();
    await run();
    assert.equal((await readFile(join(folder, "said"), "utf8")).split("\n").length, 2);
  });

  it("restarts sshd.service if ssh.service does not exist", async () => {
    const systemctl = `#!/bin/sh\necho "$*" >>${folder}/said\n[ "$2" != ssh.service ]\n`;
    await writeFile(join(folder, "systemctl"), systemctl, { mode: 0o755 });
    await run();
    assert.match(await readFile(join(folder, "said"), "utf8"), /try-restart sshd\.service\n$/);
  });
});
