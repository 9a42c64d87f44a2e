// No module can cut off the next step by accident: whatever it does to logins, the bake uses its own way in. If a
// module does close that way, the error names the module at once.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** Each entry is a shell module and therefore its own step: the next step has to log in again. */
const hostile: Record<string, string> = {
  greeting: `echo 'echo greetings; exec cat' | tee -a /root/.bashrc /etc/profile >/dev/null
sed -i '1i echo greetings' /etc/bash.bashrc /home/debian/.bashrc /home/debian/.profile`,
  upgrade: "apt-get -q update && apt-get -q -y install --reinstall openssh-server",
  hardening: `printf '%s\\n' 'Port 2222' 'PermitRootLogin no' 'AuthorizedKeysFile /etc/ssh/keys/%u' 'AllowUsers nobody' \\
  'ForceCommand /bin/false' >/etc/ssh/sshd_config.d/hardening.conf
systemctl restart ssh.service`,
  accounts: `for user in root debian; do usermod --shell /usr/sbin/nologin "$user"; done
usermod --lock --expiredate 1 debian
chage --expiredate 1 root
rm -rf /root/.ssh /home/debian/.ssh
echo 'TMOUT=1; readonly TMOUT' >/etc/profile.d/timeout.sh`,
  nologin: "echo closed | tee /etc/nologin >/run/nologin",
  wrappers: "echo 'ALL: ALL' >>/etc/hosts.deny",
  pam: "for file in /etc/pam.d/sshd /etc/pam.d/sudo /etc/pam.d/common-account; do sed -i '1i account required pam_deny.so' $file; done",
  sudoers:
    "rm -f /etc/sudoers.d/*; printf '%s\\n' 'Defaults requiretty' 'this is no sudoers file' >/etc/sudoers.d/broken",
  ssh_off: `echo 'NoSuchKeyword yes' >>/etc/ssh/sshd_config
! sshd -t
systemctl disable --now ssh.service
rm -f /etc/ssh/ssh_host_*; chmod 0777 /etc/ssh /root`,
  units: `systemctl daemon-reload
systemctl daemon-reexec
systemctl stop ci-images-builder-sshd.socket
systemctl isolate rescue.target
systemctl isolate multi-user.target`,
  // On small file systems, so that this computer's disk does not fill up.
  full_disk: `for folder in /tmp /var/tmp /var/log /root /home; do
  mount -t tmpfs -o size=64k tmpfs $folder
  ! dd if=/dev/zero of=$folder/full status=none
done`,
  long_script: `: ${"x".repeat(200_000)}`,
  room_again: "umount /tmp /var/tmp /var/log /root /home",
};

/** Checks that all steps, also those after the reboot, ran as root in the machine's main mount namespace. */
const afterAll = `test "$(id -un)" = root
test "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)"
test ! -e /run/before-the-reboot
grep -q 2222 /etc/ssh/sshd_config.d/hardening.conf
test -s /srv/uploaded
rm -f /etc/nologin; chmod 0755 /etc/ssh; chmod 0700 /root`;

describe("the bake's own way in", function () {
  this.timeout(1_200_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe());
    await mkdir(join(stack.directory, "modules"));
    await mkdir(join(stack.directory, "uploaded"));
    await writeFile(join(stack.directory, "uploaded/file"), "uploaded\n");
    const scripts: Record<string, string> = {
      ...hostile,
      after_all: afterAll,
      cutter:
        "systemctl stop ci-images-builder-door.service ci-images-builder-sshd.socket; rm -rf /etc/ci-images-builder",
      // Here cloud-init ignores the user data, which would open the bake's own way in.
      deaf: "echo 'allow_userdata: false' >/etc/cloud/cloud.cfg.d/99-deaf.cfg; echo 'AllowUsers nobody' >/etc/ssh/sshd_config.d/deaf.conf",
      fstab: "echo 'nowhere /data nosuchfs defaults 0 0' >>/etc/fstab",
    };
    for (const [name, script] of Object.entries(scripts)) {
      await writeFile(join(stack.directory, "modules", `${name}.sh`), `# A test module\n${script}\n`);
    }
    const again = `export const description = "Reboots";
export function modify(_name, root) { root.run("touch /run/before-the-reboot"); root.reboot(); }\n`;
    await writeFile(join(stack.directory, "modules/again.mjs"), again);
  });
  after(() => stack.remove());

  it("stays open whatever a recipe does to sshd, accounts, PAM, sudo, shells and units", async () => {
    const modules = [...Object.keys(hostile), "files", "again", "after_all"];
    const files = [{ path: "/srv/uploaded", source: "uploaded/file" }];
    await stack.recipe(
      tinyRecipe("one", { modules, files, tests: [{ name: "the upload exists", run: "test -s /srv/uploaded" }] }),
    );
    await stack.up();
    assert.equal((await stack.imageFolders()).length, 1);
    assert.deepEqual(await stack.machines(), []);
  });

  it("verifies an image whose sshd uses another port and rejects the login user", async () => {
    await stack.recipe(tinyRecipe("verified", { modules: ["hardening", "files"] }));
    await stack.settings({ verify: true });
    await stack.up();
    const { checks } = await stack.proof();
    const found = "sshd answers at port 2222; a login as debian was not tried: sshd reads keys from /etc/ssh/keys/%u";
    assert.ok(
      checks.some((check) => check.endsWith(`people can log in by SSH, as far as the recipe lets them: ${found}`)),
      checks.join("\n"),
    );
  });

  it("reports which login a locked image refuses, and why", async () => {
    await stack.recipe(tinyRecipe("refusing", { modules: ["deaf", "files"] }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /SSH at port 22 refuses debian's login with the bake's key.*check what .*AllowUsers/);
    await stack.settings({});
  });

  it("fails quickly if a module closes it, and names that module", async () => {
    await stack.recipe(tinyRecipe("one", { modules: ["cutter", "files"] }));
    const failed = await stack.failingUp();
    assert.match(
      failed.output,
      /module cutter has closed the bake's way into the machine: .*ci-images-builder is gone/,
    );
    assert.ok(failed.took < 90, `${failed.took} s`);
  });

  it("reaches a machine that no longer boots, and names the failed unit", async () => {
    await stack.recipe(tinyRecipe("one", { modules: ["fstab", "again", "files"] }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /emergency or rescue mode[\s\S]*data\.mount/);
  });
});
