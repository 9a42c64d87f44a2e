// systemd user units for all accounts and for a single account.
import type { Root } from "../../../provision/module.ts";

export const description = "Enables systemd user units";

const unit = `[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=default.target\n`;

export function modify(_name: string, root: Root): void {
  root.packages(["dbus-user-session"]);
  root.file("/etc/systemd/user/field-all.service", unit);
  root.run(`
    systemctl --global enable field-all.service
    id field-user >/dev/null 2>&1 || useradd --create-home field-user
    install -d -o field-user -g field-user /home/field-user/.config/systemd/user /home/field-user/.config/systemd/user/default.target.wants
    cp /etc/systemd/user/field-all.service /home/field-user/.config/systemd/user/field-own.service
    ln -sf ../field-own.service /home/field-user/.config/systemd/user/default.target.wants/
    loginctl enable-linger field-user || { mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/field-user; }`);
  root.check(
    "both units run for the account without a login",
    `for ((i = 0; i < 60; i++)); do
  if runuser -u field-user -- env XDG_RUNTIME_DIR=/run/user/$(id -u field-user) systemctl --user is-active field-all field-own; then exit 0; fi
  sleep 1
done
exit 1`,
    { timeoutSeconds: 120 },
  );
}
