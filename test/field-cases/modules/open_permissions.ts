// Everything below some folders is open to everybody: actions/runner-images does it at the end of its build.
import type { Root } from "../../../provision/module.ts";

export const description = "Opens /opt, /usr/share and /usr/local to everybody";

export function modify(_name: string, root: Root): void {
  root.run("chmod -R 777 /opt /usr/share /usr/local; chmod 777 /home");
  root.check("they are open", `[ "$(stat -c %a /opt /usr/share /usr/local /home | sort -u)" = 777 ]`);
}
