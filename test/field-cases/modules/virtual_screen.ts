// A virtual screen as a service, for browser and desktop tests.
import type { Root } from "../../../provision/module.ts";

export const description = "Runs a virtual screen";

export function modify(_name: string, root: Root): void {
  root.packages(["xvfb", "x11-utils", "openbox", "dbus-x11", "fonts-dejavu-core"]);
  root.run("id field-screen >/dev/null 2>&1 || useradd --system --create-home field-screen");
  root.file(
    "/etc/systemd/system/field-screen.service",
    "[Service]\nUser=field-screen\nExecStart=/usr/bin/Xvfb :99 -screen 0 1280x1024x24 -nolisten tcp\nRestart=always\n[Install]\nWantedBy=multi-user.target\n",
  );
  root.enable("field-screen.service");
  root.run("sed -i '/^DISPLAY=/d' /etc/environment; echo DISPLAY=:99 >>/etc/environment");
  root.check(
    "the screen has the configured size",
    "for ((i = 0; i < 60; i++)); do DISPLAY=:99 xdpyinfo 2>/dev/null | grep -q 1280x1024 && exit 0; sleep 1; done; exit 1",
    { timeoutSeconds: 120 },
  );
}
