// A recipe's boot settings on our disk: its lines and kernel arguments stay; root and boot partition are our own.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { ExecaError } from "execa";
import { listPacked, packedStream } from "../../../../common/pack.ts";
import { writeBootFiles } from "../../../../components/local/provider/disk/boot-files.ts";
import {
  fileSystemTable,
  mergeFileSystemTable,
  mergeKernelArguments,
  type BootSettings,
} from "../../../../components/local/provider/disk/boot-settings.ts";
import { diskIdentifiers } from "../../../../components/local/provider/disk/disk-layout.ts";
import { besideView, inView } from "../../../../components/local/provider/disk/root-view.ts";
import { receiveProgram } from "../../../../provision/builder/receive.ts";
import { cachedBase } from "../../../cached-base.ts";
import { record } from "../../../provision/modules/real-builder.ts";
import { scratchView } from "./support.ts";

const identifiers = diskIdentifiers("merged");
const nothing: BootSettings = { fstab: "", cmdline: "", grub: "", arguments: "", isOurs: false, whole: [] };

describe("a recipe's boot settings on our disk", () => {
  it("keep the recipe's lines of /etc/fstab, without the base's lines for its own disk, root and boot partition", () => {
    const base =
      "# /etc/fstab: the base's\nUUID=1 / ext4 defaults 0 1\nUUID=2 /boot ext4 defaults 0 2\nLABEL=UEFI /boot/efi vfat 0 0\ntmpfs /tmp tmpfs 0 0\n";
    const added =
      "# scratch\ntmpfs /scratch tmpfs size=1G 0 0\n/dev/vdb /data ext4 nofail 0 2\n/swapfile none swap sw 0 0\n";
    const lines = mergeFileSystemTable(identifiers, { ...nothing, fstab: base + added }, { ...nothing, fstab: base })
      .trimEnd()
      .split("\n");
    assert.equal(
      lines.filter((line) => /\s\/\s/.test(line)).join(),
      `UUID=${identifiers.rootFileSystem} / ext4 errors=remount-ro 0 1`,
    );
    assert.deepEqual(lines.slice(3), ["tmpfs /tmp tmpfs 0 0", ...added.trimEnd().split("\n")]);
  });

  it("keep all that the recipe below added, with our image as the base, and take only our lines from the new disk", () => {
    const added =
      "# scratch\ntmpfs /scratch tmpfs 0 0\n/dev/vdb /data ext4 nofail 0 2\nLABEL=scratch /mnt ext4 nofail 0 2\n";
    const below = { ...nothing, fstab: mergeFileSystemTable(identifiers, { ...nothing, fstab: added }), isOurs: true };
    const own = { ...below, fstab: `${below.fstab}UUID=5 /more ext4 nofail 0 2\n` };
    const other = diskIdentifiers("other");
    assert.equal(
      mergeFileSystemTable(other, own, below),
      `${fileSystemTable(other)}${added}UUID=5 /more ext4 nofail 0 2\n`,
    );
  });

  it("keep what the base has, too, if the module `files` wrote the whole file", () => {
    const base = {
      ...nothing,
      fstab: "UUID=1 / xfs 0 0\nLABEL=more /more ext4 nofail 0 2\n",
      cmdline: "root=UUID=1 audit=0",
    };
    const own = { ...base, whole: ["/etc/fstab", "/etc/kernel/cmdline"] };
    assert.equal(
      mergeFileSystemTable(identifiers, own, base),
      `${fileSystemTable(identifiers)}LABEL=more /more ext4 nofail 0 2\n`,
    );
    assert.match(mergeKernelArguments(identifiers, own, base), / audit=0$/);
    assert.equal(mergeFileSystemTable(identifiers, base, base), fileSystemTable(identifiers));
    assert.doesNotMatch(mergeKernelArguments(identifiers, base, base), /audit/);
  });

  it("keep the recipe's kernel arguments once each, our console last, without the base's arguments for its own disk", () => {
    const base = { ...nothing, cmdline: "root=UUID=1 ro rd.lvm.lv=vg/root quiet", grub: "quiet splash" };
    const own = {
      ...base,
      cmdline: `${base.cmdline} console=ttyS1 dyndbg="file x +p"`,
      grub: "quiet splash mitigations=off root=/dev/sda1",
      arguments: "mitigations=off\nnohz=off\n",
    };
    assert.equal(
      mergeKernelArguments(identifiers, own, base),
      `root=UUID=${identifiers.rootFileSystem} ro console=ttyS1 console=tty0 console=ttyS0,115200 quiet dyndbg="file x +p" mitigations=off nohz=off`,
    );
    const ours = {
      ...nothing,
      isOurs: true,
      cmdline: "root=UUID=1 ro console=tty0 console=ttyS0,115200 quiet nohz=off",
    };
    assert.match(mergeKernelArguments(identifiers, ours, ours), / quiet nohz=off$/);
    // The kernel takes the last one: here that of the recipe on top, which has said again what an earlier one said.
    const again = { ...ours, cmdline: `${ours.cmdline} nohz=on`, arguments: "nohz=on\nnohz=off\n" };
    assert.match(mergeKernelArguments(identifiers, again, ours), / quiet nohz=on nohz=off$/);
  });

  it("are read from the root, GRUB's settings by sourcing them like GRUB, and nothing is left behind", async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      const base = await cachedBase();
      const view = { ...(await scratchView(folder, base)), base };
      const recipe = `echo "tmpfs /scratch tmpfs 0 0" >>/etc/fstab
mkdir -p /etc/default/grub.d /usr/lib/ci-images /etc/kernel
echo 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT audit=1$(ls /nowhere 2>/dev/null)"' >/etc/default/grub.d/50-audit.cfg
echo 'panic=10' >/etc/kernel/cmdline
echo nohz=off >/usr/lib/ci-images/kernel-arguments`;
      await inView(view, ["sh", "-euc", recipe]);
      const before = await inView(view, ["ls", "-a", "/dev"]);
      await writeBootFiles(view, identifiers);
      assert.match(await inView(view, ["cat", "/etc/kernel/cmdline"]), / quiet panic=10 audit=1 nohz=off$/);
      assert.match(await inView(view, ["cat", "/etc/fstab"]), /^tmpfs \/scratch tmpfs 0 0$/m);
      assert.match(await inView(view, ["sh", "-c", "cat /boot/efi/loader/entries/*"]), /options .* audit=1 nohz=off/);
      assert.equal(await inView(view, ["ls", "-a", "/dev"]), before);
      await inView(view, ["sh", "-euc", "echo 'GRUB=\"' >/etc/default/grub.d/60-broken.cfg"]);
      await assert.rejects(writeBootFiles(view, identifiers), /60-broken\.cfg/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("leave the module `files` its lines, words, modes and owners: its checks hold on the builder and on the disk", async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      const base = await cachedBase();
      await mkdir(join(folder, "tree/kernel"), { recursive: true });
      await writeFile(join(folder, "tree/fstab"), "/dev/vdc /copied ext4 nofail 0 2\n");
      await writeFile(join(folder, "tree/kernel/cmdline"), "panic=20\n");
      const owner = "daemon:daemon";
      const texts = [
        {
          path: "/etc/fstab",
          content: "# ours\n\nUUID=1 / xfs defaults 0 0\nLABEL=more /more ext4 nofail 0 2\ntmpfs  /it's tmpfs 0 0",
          mode: "0600",
          owner,
        },
        { path: "/etc/kernel/cmdline", content: 'root=/dev/sda1 ro  panic=10 dyndbg="file x  +p" quiet\n', owner },
      ];
      const copied = [{ path: "/etc", source: "tree", mode: "0640", owner }];
      for (const files of [texts, copied]) {
        const seen = { ...(await scratchView(folder, base)), base };
        const recorded = await record("files", files, folder);
        const mounts = 'mount --bind /dev "$1/dev"; mount --bind /proc "$1/proc"';
        const enter = `${mounts}; exec chroot "$1" bash -euo pipefail -c "$2"`;
        const bash = (script: string, input?: Buffer) =>
          besideView(seen, ["sh", "-euc", enter, "sh", seen.path, script], { input });
        for (const { source, destination, digest } of recorded.uploads) {
          const program = Buffer.from(receiveProgram(destination, digest, false));
          await bash("exec bash -s", Buffer.concat([program, await buffer(packedStream(listPacked(source)))]));
        }
        for (const step of recorded.steps) {
          assert.ok(step.kind === "script");
          await bash(step.script);
        }
        const check = async () => {
          for (const { what, script } of recorded.checks)
            await bash(script).catch((error: ExecaError) =>
              assert.fail(`${what}: ${String(error.stdout)}${String(error.stderr)}`),
            );
        };
        await check();
        await writeBootFiles(seen, identifiers);
        await check();
        assert.equal(
          await inView(seen, ["stat", "-c", "%a %U", "/etc/fstab", "/etc/kernel/cmdline"]),
          files === texts ? "600 daemon\n644 daemon" : "640 daemon\n640 daemon",
        );
        await inView(seen, ["sh", "-euc", "sed -i /tmpfs/d /etc/fstab; chmod 0444 /etc/fstab"]);
        await assert.rejects(check());
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
