// Sealing makes sure that a worker gets SSH host keys, also where cloud-init makes none.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checklist } from "../../../provision/seal/checklist.ts";
import { keyWriters } from "../../../provision/seal/scripts.ts";
import { prelude } from "../../../provision/seal/prelude.ts";
import { bash } from "../bash.ts";

// Debian 13's. An image with an empty machine-id does not count as one that boots for the first time.
const onFirstBoot = "[Unit]\nConditionFirstBoot=yes\n[Service]\nExecStart=ssh-keygen -A\n";
// Red Hat's, with cloud-init's drop-in: it waits for cloud-init, whether that makes keys or not.
const onEveryBoot = "[Unit]\nConditionFileNotEmpty=|!/etc/ssh/ssh_host_%i_key\n[Service]\nExecStart=/bin/true %i\n";
const notWithCloudInit = "[Unit]\nConditionPathExists=!/run/systemd/generator.early/x.wants/cloud-init.target\n";

describe("a worker's SSH host keys", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ci-images-root-"));
    await put("/etc/passwd", "");
    await put("/usr/sbin/sshd", "");
    await put("/usr/bin/systemctl", "");
  });
  afterEach(() => rm(root, { recursive: true }));

  async function put(path: string, content: string): Promise<void> {
    await mkdir(dirname(root + path), { recursive: true });
    await writeFile(root + path, content);
    await chmod(root + path, 0o755);
  }

  /** Runs a part of the checklist line on the root. @returns its output. */
  async function run(part: "remove" | "assert"): Promise<string> {
    const script = checklist.find(({ id }) => id === "host-key-generation")![part];
    const fake = `write_host_key_unit() { echo "writes the unit"; }`;
    const { stdout, stderr, exitCode } = await bash(
      `set -eu\nROOT='${root}' BAKE_KEYS='' BUILDER_NAME=''\n${prelude}\n${fake}\n${script}`,
    );
    assert.equal(exitCode, 0, stderr as string);
    return stdout as string;
  }

  const units: readonly [what: string, files: Readonly<Record<string, string>>][] = [
    ["no distribution's", {}],
    ["Debian 13's, for a first boot", { "/usr/lib/systemd/system/sshd-keygen.service": onFirstBoot }],
    [
      "one with a drop-in for a first boot",
      {
        "/usr/lib/systemd/system/sshd-keygen.service": onEveryBoot,
        "/etc/systemd/system/sshd-keygen.service.d/x.conf": "[Unit]\nConditionFirstBoot=yes\n",
      },
    ],
    [
      "Red Hat's, which leaves it to cloud-init",
      {
        "/usr/lib/systemd/system/sshd-keygen@.service": onEveryBoot,
        "/etc/systemd/system/sshd-keygen@.service.d/x.conf": notWithCloudInit,
      },
    ],
  ];
  for (const [what, files] of units)
    it(`are made by our own unit beside ${what}`, async () => {
      for (const [path, text] of Object.entries(files)) await put(path, text);
      assert.match(await run("assert"), /nothing makes SSH host keys/);
      assert.equal(await run("remove"), "writes the unit\n");
      await put("/etc/systemd/system/ci-images-host-keys.service", "");
      assert.equal(await run("assert"), "");
    });

  it("are made anew by a recipe on top of an image that an earlier version sealed", async () => {
    await put("/etc/systemd/system/ci-images-host-keys.service", "an older one");
    assert.equal(await run("remove"), "writes the unit\n");
  });

  it("take no unit without sshd", async () => {
    await rm(`${root}/usr/sbin/sshd`);
    assert.equal(await run("remove"), "");
    assert.equal(await run("assert"), "");
  });

  it("are made by our unit after all others had their turn, so that no two write the same key", async () => {
    const file = new URL("../../../provision/seal/guest/ci-images-host-keys.service", import.meta.url);
    const unit = await readFile(file, "utf8");
    const after = unit.match(/^After=.*$/gm)!.join(" ");
    for (const other of [
      "cloud-init.service",
      "cloud-init-network.service",
      "sshd-keygen.service",
      "sshd-keygen.target",
    ])
      assert.ok(after.includes(other), after);
    assert.match(unit, /^ConditionPathExistsGlob=!\/etc\/ssh\/ssh_host_\*_key$/m);
    assert.ok(keyWriters.includes(unit));
  });
});
