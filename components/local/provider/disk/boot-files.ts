// Writes what an image needs to boot by itself: /etc/fstab, the kernel command line, and the hook that keeps the
// kernels on the boot partition up to date. Writes into the scratch view of the root, never into the builder.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ExecaError } from "execa";
import { UserError } from "../../../../common/user-error.ts";
import { commandLineFile, fstabFile, mergedFiles } from "../../../../provision/modules/shared/merged-files.ts";
import { kernelArgumentsFile } from "../../../../provision/plan/kernel-arguments.ts";
import { keptPathsFile } from "../../../../provision/seal/kept.ts";
import { mergeFileSystemTable, mergeKernelArguments, type BootSettings } from "./boot-settings.ts";
import { besideView, inView, type RootView } from "./root-view.ts";
import type { DiskIdentifiers } from "./disk-layout.ts";

/** The script's path in the image. */
const updater = "/usr/lib/ci-images/update-boot-files";

/**
 * Folders whose programs run after a kernel or ramdisk has changed, and our link's name in each. `zz` and `99` sort
 * last, after the ramdisk has been made.
 */
const hooks: readonly { folder: string; name: string }[] = [
  { folder: "/etc/kernel/postinst.d", name: "zz-ci-images-boot" },
  { folder: "/etc/kernel/postrm.d", name: "zz-ci-images-boot" },
  { folder: "/etc/initramfs/post-update.d", name: "zz-ci-images-boot" },
  { folder: "/etc/kernel/install.d", name: "99-ci-images-boot.install" },
];

/** Prints a root's boot settings, each part after a heading line. Runs in the root. */
const settingsScript = `
part() { printf '\\n%s\\n' "--- $1"; }
show() { if [ -f "$1" ]; then cat "$1"; fi; }
part fstab; show ${fstabFile}
part cmdline; show ${commandLineFile}
part arguments; show ${kernelArgumentsFile}
part ours; if [ -e ${updater} ]; then echo yes; fi
part whole; show ${keptPathsFile} | grep -xF ${mergedFiles.map((file) => `-e ${file}`).join(" ")} || true
part grub
for file in /etc/default/grub /etc/default/grub.d/*.cfg; do if [ -r "$file" ]; then . "$file"; fi; done
echo "\${GRUB_CMDLINE_LINUX:-} \${GRUB_CMDLINE_LINUX_DEFAULT:-}"
`;

function parseSettings(output: string): BootSettings {
  const parts = Object.fromEntries(
    output.split(/^--- /m).map((part) => {
      const end = part.indexOf("\n");
      return [part.slice(0, end), part.slice(end + 1).replace(/\n$/, "")];
    }),
  );
  const { fstab = "", cmdline = "", arguments: own = "", grub = "", ours = "", whole = "" } = parts;
  return { fstab, cmdline, grub, arguments: own, isOurs: ours.trim() === "yes", whole: whole.trim().split("\n") };
}

async function settingsOf(view: RootView, signal?: AbortSignal): Promise<BootSettings> {
  try {
    // With a /dev: without one, a redirection to /dev/null in GRUB's settings would create a file in the root.
    const enter = 'mount --bind /dev "$1/dev"; exec chroot "$1" sh -c "$2"';
    const apart = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", enter, "sh"];
    return parseSettings(await besideView(view, [...apart, view.path, settingsScript], { signal }));
  } catch (error) {
    if (!(error instanceof ExecaError) || signal?.aborted) throw error;
    throw new UserError({
      where: "/etc/default/grub and /etc/default/grub.d in the image's root",
      found: `the shell can't read them: ${String(error.stderr)}`,
      cure: "fix these settings in the recipe; to extend the kernel command line, use the recipe's key `kernel_arguments`",
    });
  }
}

/** Writes into the file that is there, because the recipe may have set its mode, owner and attributes. */
const rewriteScript = `
if [ ! -f "$1" ]; then
  mkdir -p "\${1%/*}"
  rm -f "$1"
  (umask 022 && : >"$1")
fi
cat >"$1"
`;

/**
 * Writes the boot settings into the root, merged with the recipe's. Fills /boot/efi, which the caller copies onto the
 * boot partition.
 * @returns the version of the kernel to boot, e.g. `6.1.0-40-cloud-amd64`.
 * @throws UserError if the root has no kernel with a ramdisk.
 */
export async function writeBootFiles(
  view: RootView,
  identifiers: DiskIdentifiers,
  signal?: AbortSignal,
): Promise<{ kernel: string }> {
  const script = await readFile(join(import.meta.dirname, "update-boot-files.sh"), "utf8");
  const put = (path: string, mode: string, input: string): Promise<string> =>
    inView(view, ["sh", "-euc", 'mkdir -p "${1%/*}"; rm -f "$1"; cat >"$1"; chmod "$2" "$1"', "sh", path, mode], {
      input,
      signal,
    });
  const rewrite = (path: string, input: string): Promise<string> =>
    inView(view, ["sh", "-euc", rewriteScript, "sh", path], { input, signal });
  await put(updater, "0755", script);
  const own = await settingsOf(view, signal);
  const base = view.base === undefined ? undefined : await settingsOf({ path: view.base, enter: [] }, signal);
  await rewrite(fstabFile, mergeFileSystemTable(identifiers, own, base));
  await rewrite(commandLineFile, `${mergeKernelArguments(identifiers, own, base)}\n`);
  for (const { folder, name } of hooks) {
    await inView(view, ["sh", "-euc", 'mkdir -p "$1"; ln -sf "$3" "$1/$2"', "sh", folder, name, updater], { signal });
  }
  // The root may have another boot loader's files here.
  const fill = `umask 022
rm -rf /boot/efi
mkdir -p /boot/efi/loader
: >/boot/efi/loader/loader.conf
"$1"
sed -n 's/^default linux-\\(.*\\)\\.conf$/\\1/p' /boot/efi/loader/loader.conf`;
  const kernel = await inView(view, ["sh", "-euc", fill, "sh", updater], { signal });
  if (kernel === "") {
    throw new UserError({
      where: "/boot in the image's root",
      found: "no kernel with a ramdisk (vmlinuz-VERSION and initrd.img-VERSION or initramfs-VERSION.img)",
      cure: "install a kernel in the recipe (install_packages: linux-image-cloud-amd64, initramfs-tools), or take a base that has one",
    });
  }
  return { kernel };
}
