// sshd started by its socket, as Ubuntu does it.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Starts sshd by its socket";

export function modify(_name: string, root: Root): void {
  root.run("systemctl disable ssh.service; systemctl enable ssh.socket");
  root.check("the worker listens by the socket", `${onBuilder} || systemctl is-active ssh.socket`);
}
