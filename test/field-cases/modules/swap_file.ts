// A swap file made during the bake, with an entry in /etc/fstab.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Makes a swap file";

export function modify(_name: string, root: Root): void {
  root.run(`
    fallocate -l 256M /swapfile
    chmod 600 /swapfile
    mkswap /swapfile
    grep -q '^/swapfile' /etc/fstab || echo '/swapfile none swap sw 0 0' >>/etc/fstab`);
  root.check("the worker uses the swap file", `${onBuilder} || swapon --show=NAME --noheadings | grep -qx /swapfile`, {
    timeoutSeconds: 90,
  });
  root.check("only root can read the swap file", '[ "$(stat -c %a /swapfile)" = 600 ]');
}
