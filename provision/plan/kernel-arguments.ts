// The recipe's key `kernel_arguments`: words for the kernel command line of every machine booted from the image.
// Implemented as a module that runs after the recipe's own. It writes GRUB's settings, if the base boots with GRUB (the
// clouds' images), and a list for building the disks of `local`.
import { dirname } from "node:path/posix";
import type { ModuleFile, Root } from "../module.ts";
import { ownFolder } from "../seal/kept.ts";
import { quote, quoteAll } from "../shell/shell.ts";
import { builderMark, markBuilder } from "../modules/shared/units.ts";

/** The key in a recipe, and the step's name. */
export const kernelArgumentsKey = "kernel_arguments";

/** The list in the image, one word per line: those of the recipes below, then the recipe's own. */
export const kernelArgumentsFile = `${ownFolder}/kernel-arguments`;

/** The words of the recipes below, while the image is baked. In the folder that sealing removes. */
const wordsBelowFile = `${dirname(builderMark)}/kernel-arguments-below`;

/** GRUB's settings file. It is read after those of the clouds' images, which set the whole line. */
const grubFile = "/etc/default/grub.d/90-ci-images.cfg";

/** The schema of the key. */
export const kernelArgumentsSchema = {
  type: "array",
  minItems: 1,
  uniqueItems: true,
  items: {
    type: "string",
    pattern: "^(?!(root|rootfstype|rootflags|initrd|BOOT_IMAGE)(=|$)|r[ow]$)[A-Za-z0-9_.-]+(=[^\\s\"'`$\\\\]*)?$",
  },
  description:
    "Words to add to the kernel command line of every machine booted from the image: NAME or NAME=VALUE, without blanks or quotation marks",
  examples: [["mitigations=off", "systemd.unified_cgroup_hierarchy=1"]],
};

/** Records the words. */
export const kernelArgumentsModule: ModuleFile = {
  description: "Adds words to the kernel command line",
  modify(_name: string, root: Root, cfg) {
    const words = cfg[kernelArgumentsKey] as string[];
    root.run(markBuilder);
    root.run(listScript(words));
    if (root.distribution.family === "debian") root.run(grubScript);
    root.run(applyScript(words));
    root.check(
      `the kernel command line has ${words.join(" ")}`,
      `if [ -e ${builderMark} ]; then [ -s ${kernelArgumentsFile} ]; exit; fi
for word in ${quoteAll(words)}; do
  tr ' ' '\\n' </proc/cmdline | grep -xF -- "$word" >/dev/null || { echo "$word is not in: $(cat /proc/cmdline)"; exit 1; }
done`,
    );
  },
};

/**
 * Adds the words to those of the recipes below. A word that is there moves to the end, because the kernel takes the last
 * one of `nohz=on nohz=off`. A second run replaces what the first one added: the recipe may have changed in between.
 */
function listScript(words: readonly string[]): string {
  return `\
if [ ! -e ${wordsBelowFile} ]; then
  if [ -e ${kernelArgumentsFile} ]; then cp ${kernelArgumentsFile} ${wordsBelowFile}; else : >${wordsBelowFile}; fi
fi
{ grep -vxF ${words.map((word) => `-e ${quote(word)}`).join(" ")} ${wordsBelowFile} || true; printf '%s\\n' ${quoteAll(words)}; } |
  install -D -m 0644 /dev/stdin ${kernelArgumentsFile}`;
}

/** Writes GRUB's settings from the list. */
const grubScript = `\
printf 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT %s"\\n' "$(paste -sd ' ' ${kernelArgumentsFile})" |
  install -D -m 0644 /dev/stdin ${grubFile}`;

/** Applies the words to the boot loader. A container has none: there, the list is enough. */
function applyScript(words: readonly string[]): string {
  return `\
if systemd-detect-virt --quiet --container 2>/dev/null; then exit 0; fi
if command -v update-grub >/dev/null; then
  update-grub
elif command -v grubby >/dev/null; then
  grubby --update-kernel=ALL --args=${quote(words.join(" "))}
  # Kernels that are installed later get theirs from these.
  for word in ${quoteAll(words)}; do
    if [ -f /etc/kernel/cmdline ] && ! tr ' ' '\\n' </etc/kernel/cmdline | grep -xF -- "$word" >/dev/null; then
      sed -i "1s|\\$| $word|" /etc/kernel/cmdline
    fi
    if grep -qs '^GRUB_CMDLINE_LINUX="' /etc/default/grub && ! sed -n 's/^GRUB_CMDLINE_LINUX="\\(.*\\)"/\\1/p' /etc/default/grub | tr ' ' '\\n' | grep -xF -- "$word" >/dev/null; then
      sed -i "s|^\\(GRUB_CMDLINE_LINUX=\\".*\\)\\"|\\1 $word\\"|" /etc/default/grub
    fi
  done
else
  echo "neither update-grub nor grubby is here, so nobody knows where this machine's kernel command line comes from" >&2
  exit 1
fi`;
}
