// Log forwarding with a disk queue, and log rotation.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Forwards logs to a server and rotates log files";

export function modify(_name: string, root: Root): void {
  root.packages(["rsyslog", "logrotate"]);
  root.file(
    "/etc/rsyslog.d/90-field.conf",
    'global(workDirectory="/var/spool/rsyslog")\n*.* action(type="omfwd" target="192.0.2.20" port="514" protocol="tcp" queue.type="LinkedList" queue.filename="field" queue.saveOnShutdown="on" action.resumeRetryCount="-1")\nlocal7.* /var/log/field/field.log\n',
  );
  root.file(
    "/etc/logrotate.d/field",
    "/var/log/field/*.log {\n  size 1\n  rotate 3\n  missingok\n  compress\n  create 0640 root adm\n}\n",
  );
  root.file("/etc/tmpfiles.d/field-log.conf", "d /var/log/field 0755 root adm -\n");
  root.run(`
    mkdir -p /var/log/field /var/spool/rsyslog
    systemctl restart rsyslog
    logger -p local7.info 'a line of the bake'
    logrotate --force /etc/logrotate.conf`);
  root.check(
    "a message reaches its log file",
    `systemctl is-active rsyslog; logger -p local7.info 'field message'; for ((i = 0; i < 60; i++)); do grep -q 'field message' /var/log/field/field.log && exit 0; sleep 1; done; exit 1`,
    { timeoutSeconds: 90 },
  );
  root.check(
    "no message of the builder is on the image",
    `${onBuilder} || ! grep -rqs 'a line of the bake' /var/log /var/spool/rsyslog`,
  );
}
