// Swap in compressed memory, and systemd-oomd.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Sets up swap in compressed memory";

export function modify(_name: string, root: Root): void {
  root.packages(["zram-tools", "systemd-oomd"]);
  root.file("/etc/default/zramswap", "ALGO=lz4\nPERCENT=25\nPRIORITY=100\n");
  root.check("the worker uses the compressed swap", `${onBuilder} || swapon --show=NAME --noheadings | grep -q zram`, {
    timeoutSeconds: 90,
  });
}
