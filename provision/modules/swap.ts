// Gives workers swap: a file that is created at first boot, so that the image doesn't contain it, and used at every
// boot. It is created after cloud-init has grown the root file system to the worker's disk. The builder has no swap
// file: a container can't have one, and sealing would remove it.
import type { BuildConfiguration, Root } from "../module.ts";
import { UserError } from "../../common/user-error.ts";
import { parseSize, sizeForm } from "../../common/sizes.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { builderMark, markBuilder, putUnit, requireSystemd } from "./shared/units.ts";

export const description = "Creates a swap file at the worker's first boot";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["size"],
  examples: [{ size: "2G" }],
  properties: {
    size: {
      type: "string",
      pattern: "^[0-9]+(\\.[0-9]+)?\\s*[MGTmgt]([iI]?[bB])?$",
      description: `The swap file's size: ${sizeForm}. The worker's disk needs that much free space, plus 256M.`,
      examples: ["2G"],
    },
    swappiness: {
      type: "integer",
      minimum: 0,
      maximum: 200,
      description: "How readily the kernel swaps (vm.swappiness); by default, the kernel's own setting.",
      examples: [10],
    },
  },
};

/** The settings under `swap`. */
interface Settings {
  size: string;
  swappiness?: number;
}

/** Created on the worker rather than the builder, so that the image doesn't contain it. */
const swapFile = "/swapfile";
const script = "/usr/local/sbin/ci-swap";
const sysctlFile = "/etc/sysctl.d/90-ci-swap.conf";

/**
 * Records the script that creates the file, and the service that runs it at boot.
 * @throws UserError on a distribution without systemd, and for an invalid size.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const { size, swappiness } = settingsOf<Partial<Settings>>(cfg, "swap", {});
  const bytes = parseSize(size ?? "");
  if (bytes === undefined)
    throw new UserError({
      where: `module ${name}`,
      key: "swap.size",
      found: `"${size}" is not a size in whole MiB`,
      allowed: sizeForm,
    });
  root.packages({ apt: ["util-linux"], dnf: ["util-linux"] });
  root.run(markBuilder);
  root.file(script, swapScript(bytes), { mode: "0755" });
  putUnit(root, "ci-swap.service", unit);
  root.enable("ci-swap.service", { start: false });
  if (swappiness !== undefined) root.file(sysctlFile, `vm.swappiness = ${swappiness}\n`);
  root.check("the swap file is made at boot", "systemctl --quiet is-enabled ci-swap.service");
  root.check(
    `a worker has ${size} of swap, and the builder none in its image`,
    // The service may still be running on a machine that has just booted. The header takes one page of the file.
    `if [ -e ${builderMark} ]; then [ -x ${script} ] && [ ! -e ${swapFile} ]; exit; fi
systemctl start ci-swap.service || { journalctl --unit=ci-swap.service --lines=5 --no-pager; exit 1; }
size=$(awk '$1 == "${swapFile}" { print $3 }' /proc/swaps)
[ -n "$size" ] && ((size * 1024 > ${bytes} - 1048576))`,
    { timeoutSeconds: 300 },
  );
  if (swappiness !== undefined)
    root.check(
      `vm.swappiness is ${swappiness} on a worker`,
      `grep -qx 'vm.swappiness = ${swappiness}' ${sysctlFile} && { [ -e ${builderMark} ] || [ "$(cat /proc/sys/vm/swappiness)" = ${swappiness} ]; }`,
    );
}

function swapScript(bytes: number): string {
  return `#!/bin/bash
# Makes the swap file where it is missing, and uses it. What is unfinished has another name, so that it is not taken for one.
set -euo pipefail
file=${swapFile}
if grep -q "^$file " /proc/swaps; then exit 0; fi
if [ ! -e "$file" ]; then
  available=$(df --output=avail --block-size=1 / | tail -n 1)
  if ((available < ${bytes} + 256 * 1024 * 1024)); then
    echo "no room for a swap file of ${bytes} bytes: $available bytes are free on /" >&2
    exit 1
  fi
  rm -f "$file.new"
  install -m 0600 /dev/null "$file.new"
  # btrfs swaps to files only that are not copied on write; elsewhere the flag does not exist.
  if [ "$(stat --file-system --format=%T /)" = btrfs ]; then chattr +C "$file.new"; fi
  fallocate --length ${bytes} "$file.new"
  mkswap "$file.new" >/dev/null
  mv "$file.new" "$file"
fi
if ! swapon "$file"; then
  # Older XFS takes what fallocate has reserved for holes: it has to be written out, once.
  dd if=/dev/zero of="$file" bs=1M count=${bytes / 1024 / 1024} conv=notrunc,fsync status=none
  mkswap "$file" >/dev/null
  swapon "$file"
fi
`;
}

const unit = `[Unit]
Description=Make and use the swap file
ConditionPathExists=!${builderMark}
ConditionVirtualization=!container
# cloud-init grows the root file system in its network stage, which has another name since 24.3.
After=local-fs.target cloud-init.service cloud-init-network.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${script}

[Install]
WantedBy=multi-user.target
`;
