// The recipe's kernel_arguments on a machine that boots by GRUB with the settings of Debian's and Ubuntu's cloud
// images: runs the step's script with the real update-grub, then boots the result.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleImage } from "../../../../components/local/provider/disk/disk.ts";
import { rootView } from "../../../../components/local/provider/machine/machines.ts";
import { planRecipe } from "../../../../provision/plan/plan.ts";
import { loadRecipe } from "../../../../provision/recipe/load-recipe.ts";
import { sealScript } from "../../../../provision/seal/seal.ts";
import { cachedBase } from "../../../cached-base.ts";
import { must, RealBuilder } from "../../../provision/modules/real-builder.ts";
import { BootedDisk } from "./booted-disk.ts";

/**
 * GRUB as in cloud images: for all firmwares, with files that set the whole command line. The last file is Ubuntu's.
 */
const cloudLayout = `
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends grub-cloud-amd64
install -D -m 0644 /dev/stdin /etc/default/grub.d/10_cloud.cfg <<'END'
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 consoleblank=0"
GRUB_DISABLE_OS_PROBER=true
END
install -D -m 0644 /dev/stdin /etc/default/grub.d/15_timeout.cfg <<<'GRUB_TIMEOUT=0'
install -D -m 0644 /dev/stdin /etc/default/grub.d/50-cloudimg-settings.cfg <<<'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"'
`;

describe("kernel_arguments on a machine that boots by GRUB", function () {
  // On emulated hardware.
  this.timeout(900_000);
  let folder: string;
  let builder: RealBuilder | undefined;
  let machine: BootedDisk | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    builder = await RealBuilder.create(await cachedBase());
    must(await builder.asRoot(cloudLayout));
    const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };
    must(await builder.asRoot(sealScript({ bakeKeys: [builder.bakeKey], image, lastLook: false })));
    await builder.stop();
    const view = await rootView(builder.name);
    const directory = join(folder, "image");
    try {
      const options = { view, directory, name: "worker", identity: "booted", size: 2 * 1024 ** 3 };
      await assembleImage({ ...options, formats: ["qcow2"] }, () => {});
    } finally {
      await view.dispose();
    }
    machine = await BootedDisk.boot(join(folder, "machine"), join(directory, "disk.qcow2"), "uefi");
  });

  after(async () => {
    await machine?.end(0);
    await builder?.remove();
    await rm(folder, { recursive: true });
  });

  it("are added to every kernel's command line in GRUB's menu, and in effect after a reboot", async () => {
    const words = ["nohz=off", "systemd.log_color=0"];
    const file = join(folder, "recipe.yaml");
    await writeFile(file, JSON.stringify({ distribution: "debian12", modules: ["umask"], kernel_arguments: words }));
    const recipe = await loadRecipe(file);
    const { modules, checks } = await planRecipe(recipe, recipe.distributions[0], { sealVersion: "1" });
    const [step] = modules.at(-1)!.steps;
    assert.ok(step?.kind === "script");
    const install = "grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram";
    await machine!.run(`set -e; ls /boot/efi >/dev/null; ${install}; update-grub; ! grep nohz=off /boot/grub/grub.cfg`);
    await machine!.run(`set -euo pipefail\n${step.script}`);
    const menu = await machine!.run("grep -E '^\\s*linux\\s' /boot/grub/grub.cfg");
    const normal = menu.split("\n").filter((line) => !line.includes(" single "));
    assert.ok(normal.length > 0, menu);
    for (const line of normal)
      assert.match(
        line,
        /vmlinuz-\S+ root=UUID=\S+ ro console=tty0 .*console=tty1 console=ttyS0 nohz=off systemd\.log_color=0\s*$/,
      );

    await machine!.reboot();
    const line = await machine!.run("cat /proc/cmdline");
    assert.match(line, /^BOOT_IMAGE=\/boot\/vmlinuz-/, "GRUB booted the machine");
    for (const word of words) assert.ok(line.split(/\s/).includes(word), line);
    // Without the builder's marker, which sealing removes, the check runs as on a worker.
    const check = checks.find(({ what }) => what.startsWith("the kernel command line has"));
    await machine!.run(`set -euo pipefail\nrm -r /var/lib/ci-images\n${check!.script}`);
  });
});
