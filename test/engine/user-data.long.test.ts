// The user data of cloud machines, on a real machine with a real cloud-init.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { doorPort } from "../../provision/builder/door.ts";
import { cloudUserData, deadlineUnit } from "../../provision/builder/user-data.ts";
import { cachedBase } from "../cached-base.ts";
import { TestMachine } from "../test-cloud/machine.ts";
import { until } from "../test-cloud/until.ts";

describe("user data of a cloud machine, read by cloud-init", function () {
  this.timeout(300_000);
  let folder: string;
  let machine: TestMachine;
  const [host, login] = [makeSshKeyPair(), makeSshKeyPair()];

  before(async () => {
    const base = await cachedBase();
    folder = await mkdtemp(join(tmpdir(), "ci-images-user-data-"));
    const deadline = new Date(Date.now() + 3600_000);
    const keys = { hostPrivateKey: host.privateKey, hostPublicKey: host.publicKey, authorizedKey: login.publicKey };
    const userData = cloudUserData({ ...keys, loginUser: "debian", deadline });
    const own = join(folder, "own");
    await mkdir(join(own, "etc/cloud/cloud.cfg.d"), { recursive: true });
    await chmod(own, 0o755);
    await writeFile(
      join(own, "etc/cloud/cloud.cfg.d/99-own.cfg"),
      "bootcmd: ['touch /run/own-bootcmd']\nruncmd: ['touch /run/own-runcmd']\n",
    );
    const birth = { layers: [own, base], userData, metaData: {} };
    machine = await TestMachine.create(join(folder, "machine"), "user-data", birth);
  });
  after(async () => {
    await machine.remove();
    await rm(folder, { recursive: true });
  });

  it("boots the machine with the pinned host key and an armed deadline, and cloud-init accepts it", async () => {
    const [key, known] = [join(folder, "login"), join(folder, "known_hosts")];
    await writeFile(key, login.privateKey, { mode: 0o600 });
    const { address } = machine;
    await writeFile(known, `${address},[${address}]:${doorPort} ${host.publicKey}\n`);
    const options = [`-oUserKnownHostsFile=${known}`, "-oStrictHostKeyChecking=yes", "-oBatchMode=yes"];
    const ssh = (command: string) =>
      execa("ssh", ["-F", "none", "-i", key, ...options, `debian@${machine.address}`, command], { reject: false });
    await until("the machine lets us in", 60, async () => (await ssh("true")).exitCode === 0);
    const settled = await ssh("cloud-init status --wait --long && sudo cloud-init schema --system");
    assert.equal(settled.exitCode, 0, settled.stdout + settled.stderr);
    const { stdout: state } = await ssh(`systemctl show --property=ActiveState --value ${deadlineUnit}.timer`);
    assert.equal(state, "active");

    const { stdout: ran } = await ssh("ls /run/own-*");
    assert.deepEqual(ran.split("\n"), ["/run/own-bootcmd", "/run/own-runcmd"], "the image's own commands ran too");

    const asRoot = (command: string) =>
      execa("ssh", ["-F", "none", "-i", key, ...options, "-p", String(doorPort), `root@${address}`, command]);
    assert.equal(
      (await asRoot("id -un; systemctl is-system-running")).stdout,
      "root\nrunning",
      "the bake's own way in works as root",
    );
    // The bake's own way in survives a reboot without cloud-init.
    const reboot = "systemd-run --quiet --on-active=1 systemctl reboot";
    await asRoot(`touch /etc/cloud/cloud-init.disabled /run/before; systemctl disable ssh; ${reboot}`);
    await until(
      "the machine is back",
      60,
      async () => (await asRoot("test ! -e /run/before").catch(() => ({ exitCode: 1 }))).exitCode === 0,
    );
  });
});
