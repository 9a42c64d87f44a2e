// Services without a systemd unit: a runit service, a script in /etc/init.d, and /etc/rc.local.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Adds services without systemd units";

export function modify(_name: string, root: Root): void {
  root.packages(["runit", "runit-run"]);
  root.file("/etc/sv/field/run", "#!/bin/sh\nexec 2>&1\nexec sleep infinity\n", { mode: "0755" });
  root.file(
    "/etc/init.d/field",
    '#!/bin/sh\n### BEGIN INIT INFO\n# Provides: field\n# Required-Start: $local_fs\n# Required-Stop:\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n# Short-Description: a test\n### END INIT INFO\ncase "$1" in start) touch /run/field-init ;; stop) rm -f /run/field-init ;; esac\n',
    { mode: "0755" },
  );
  root.file("/etc/rc.local", "#!/bin/sh -e\ntouch /run/field-rc-local\nexit 0\n", { mode: "0755" });
  root.run(`
    ln -sfn /etc/sv/field /etc/service/field
    update-rc.d field defaults
    systemctl daemon-reload
    systemctl start runit.service`);
  root.check(
    "the runit service runs",
    'for ((i = 0; i < 60; i++)); do sv status field | grep -q "^run:" && exit 0; sleep 1; done; exit 1',
    { timeoutSeconds: 90 },
  );
  root.check("both scripts ran at boot", `${onBuilder} || { [ -e /run/field-init ] && [ -e /run/field-rc-local ]; }`);
}
