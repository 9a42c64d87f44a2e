// systemd credentials: a service gets one from the image's credential store, and each machine has its own key for
// encrypted credentials.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Gives a service systemd credentials";

export function modify(_name: string, root: Root): void {
  root.file("/etc/credstore/field.endpoint", "https://ci.example.com", { mode: "0600" });
  root.file(
    "/etc/systemd/system/field-credentials.service",
    '[Service]\nType=oneshot\nRemainAfterExit=yes\nLoadCredential=endpoint:/etc/credstore/field.endpoint\nSetCredential=colour:blue\nExecStart=/bin/sh -c \'cat "$CREDENTIALS_DIRECTORY/endpoint" "$CREDENTIALS_DIRECTORY/colour" >/run/field-credentials\'\n[Install]\nWantedBy=multi-user.target\n',
  );
  root.enable("field-credentials.service");
  root.run(`
    systemd-creds setup >/dev/null
    sha256sum </var/lib/systemd/credential.secret >/opt/field-credential-secret`);
  root.check(
    "the service has read its credentials",
    '[ "$(systemctl is-active field-credentials) $(cat /run/field-credentials)" = "active https://ci.example.comblue" ]',
    { timeoutSeconds: 60 },
  );
  root.check(
    "the worker does not have the builder's key for encrypted credentials",
    `${onBuilder} || { systemd-creds setup >/dev/null; [ "$(sha256sum </var/lib/systemd/credential.secret)" != "$(cat /opt/field-credential-secret)" ]; }`,
  );
}
