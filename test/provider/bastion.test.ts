// Login to a bastion before anything is created, against the test's own SSH server.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { bastion } from "../../provider/functions/bastion.ts";
import { startSshServer, type SshServer } from "../toolchain/ssh-server.ts";

describe("the bastion", () => {
  let server: SshServer;
  let home: string;
  const before_ = { HOME: process.env.HOME, SSH_AUTH_SOCK: process.env.SSH_AUTH_SOCK };

  before(async () => {
    server = await startSshServer();
    home = await mkdtemp(join(tmpdir(), "ci-images-home-"));
    await mkdir(join(home, ".ssh"));
    process.env.HOME = home;
    delete process.env.SSH_AUTH_SOCK;
  });
  after(async () => {
    process.env.HOME = before_.HOME;
    if (before_.SSH_AUTH_SOCK !== undefined) process.env.SSH_AUTH_SOCK = before_.SSH_AUTH_SOCK;
    await server.stop();
    await rm(home, { recursive: true });
  });

  const context = { progress: () => {}, signal: new AbortController().signal };
  const ask = (changes: object = {}) => {
    const own = { user: "jump", host: "127.0.0.1", port: server.port, privateKey: server.privateKey };
    return bastion.call({ ...own, ...changes }, context);
  };
  const know = (...lines: string[]) => writeFile(join(home, ".ssh", "known_hosts"), `${lines.join("\n")}\n`);

  it("is identified by the pinned host key, or by one from known_hosts, hashed or not, but never by an RSA key", async () => {
    const { hostKey } = server;
    const key = hostKey.split(" ").slice(0, 2).join(" ");
    assert.deepEqual(await ask({ hostKey }), { hostKey });
    const rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==";
    await know(`[127.0.0.1]:${server.port} ${rsa}`, `[127.0.0.1]:${server.port} ${key}`);
    assert.deepEqual(await ask(), { hostKey: key });
    await execa("ssh-keygen", ["-q", "-H", "-f", join(home, ".ssh", "known_hosts")]);
    assert.deepEqual(await ask(), { hostKey: key });
    await know(`[127.0.0.1]:${server.port} ${rsa}`, `127.0.0.1 ${key}`);
    await assert.rejects(ask(), /its host key is not known.*ssh-keyscan -t ed25519 -p \d+ 127\.0\.0\.1/);
    await know(`[127.0.0.1]:${server.port} ${key}`, `@revoked * ${key}`);
    await assert.rejects(ask(), /its host key is not known/);
  });

  it("causes an error with its cure if its host key is wrong, if it refuses our key, or if it does not answer", async () => {
    const [other, { hostKey }] = [makeSshKeyPair(), server];
    await assert.rejects(
      ask({ hostKey: other.publicKey }),
      /the bastion jump@127\.0\.0\.1:\d+ \(stack setting ci-images:bastion\): shows a host key other than the known one/,
    );
    await assert.rejects(ask({ hostKey, privateKey: other.privateKey }), /refuses the key of ci-images:bastion/);
    await assert.rejects(
      ask({ hostKey, privateKey: undefined }),
      /needs a key, and there is no SSH agent; cure: ssh-add/,
    );
    process.env.SSH_AUTH_SOCK = join(home, "gone");
    try {
      await assert.rejects(ask({ hostKey, privateKey: undefined }), /refuses the keys of the SSH agent; cure: ssh-add/);
    } finally {
      delete process.env.SSH_AUTH_SOCK;
    }
    await assert.rejects(ask({ hostKey, port: 1 }), /127\.0\.0\.1:1 .*connection refused/);
  });
});
