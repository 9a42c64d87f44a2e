// Installs nginx, which serves freshly built packages to the nodes that test them.
import type { Root } from "../module.ts";
import { isInstalled } from "./shared/module-settings.ts";

export const description = "Installs nginx, enabled at boot and listening on port 80";

/** Records the package and the service. */
export function modify(_name: string, root: Root): void {
  root.packages(["nginx"]);
  root.enable("nginx.service");
  root.check("nginx is installed", isInstalled(root.distribution, "nginx"), { independent: true });
  root.check("nginx is enabled at boot", "systemctl --quiet is-enabled nginx.service", { independent: true });
  root.check("nginx is running", "systemctl --quiet is-active nginx.service", { independent: true });
  root.check(
    "nginx answers on port 80",
    // With bash alone: a worker may not have curl.
    [
      `exec 3<>/dev/tcp/127.0.0.1/80`,
      `printf 'GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3`,
      `answer=$(timeout 10 cat <&3)`,
      `[[ $answer == "HTTP/1."* && \${answer,,} == *"server: nginx"* ]]`,
    ].join("\n"),
    { independent: true },
  );
}
