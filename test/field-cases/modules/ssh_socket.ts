// sshd with socket activation, as on Ubuntu.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Starts sshd with socket activation";

export function modify(_name: string, root: Root): void {
  root.run("systemctl disable ssh.service; systemctl enable ssh.socket");
  root.check("the worker's socket is active", `${onBuilder} || systemctl is-active ssh.socket`);
}
