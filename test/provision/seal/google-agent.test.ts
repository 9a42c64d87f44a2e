// Sealing of Compute Engine images, which have Google's guest environment instead of cloud-init.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checklist } from "../../../provision/seal/checklist.ts";
import { prelude } from "../../../provision/seal/prelude.ts";
import { bash } from "../bash.ts";

describe("sealing of an image with Google's guest environment", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ci-images-root-"));
    await put("/etc/passwd", "");
  });
  afterEach(() => rm(root, { recursive: true }));

  async function put(path: string, content: string): Promise<void> {
    await mkdir(dirname(root + path), { recursive: true });
    await writeFile(root + path, content);
    await chmod(root + path, 0o755);
  }

  /** Runs a part of a checklist line on the root. @returns its output. */
  async function run(id: string, part: "remove" | "assert"): Promise<string> {
    const script = checklist.find((entry) => entry.id === id)![part];
    const { stdout, stderr, exitCode } = await bash(
      `set -eu\nROOT='${root}' BAKE_KEYS='' BUILDER_NAME=''\n${prelude}\n${script}`,
    );
    assert.equal(exitCode, 0, stderr as string);
    return stdout as string;
  }

  it("accepts the guest agent in place of cloud-init, under both of its names", async () => {
    assert.match(await run("cloud-agent", "assert"), /cloud-init is missing/);
    for (const name of ["google_guest_agent", "google_guest_agent_manager"]) {
      await put(`/usr/bin/${name}`, "");
      assert.equal(await run("cloud-agent", "assert"), "");
      await rm(`${root}/usr/bin/${name}`);
    }
  });

  it("does not let a module turn cloud-init off, because nobody could log in to a worker", async () => {
    await put("/usr/bin/cloud-init", "");
    await put("/etc/cloud/cloud-init.disabled", "");
    assert.equal(await run("cloud-agent", "assert"), "");
    await put("/usr/lib/ci-images/made-paths", "/etc/cloud/cloud-init.disabled\n");
    assert.match(await run("cloud-agent", "assert"), /a module has turned cloud-init off/);
  });

  it("accepts gce-disk-expand in place of growpart, as a program or in the initramfs", async () => {
    assert.match(await run("grow-root", "assert"), /growpart is missing/);
    for (const path of ["/usr/bin/google_disk_expand", "/usr/share/initramfs-tools/scripts/expandroot-lib.sh"]) {
      await put(path, "");
      assert.equal(await run("grow-root", "assert"), "");
      await rm(root + path);
    }
  });

  it("removes the builder's instance id and keeps the agent's configuration", async () => {
    const path = "/etc/default/instance_configs.cfg";
    await put(path, "[Instance]\ninstance_id = 4711\n\n[InstanceSetup]\nset_host_keys = false\n");
    assert.match(await run("gce-state", "assert"), /notes the builder's instance/);
    await run("gce-state", "remove");
    assert.equal(await run("gce-state", "assert"), "");
    assert.equal(await readFile(root + path, "utf8"), "[Instance]\n\n[InstanceSetup]\nset_host_keys = false\n");
  });
});
