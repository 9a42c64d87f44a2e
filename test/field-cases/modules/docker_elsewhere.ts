// Docker's daemon with its data on another path, limits for logs, and networks of the company's.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Moves Docker's data";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/docker/daemon.json",
    JSON.stringify({
      "data-root": "/data/docker",
      "log-driver": "json-file",
      "log-opts": { "max-size": "10m", "max-file": "3" },
      "live-restore": true,
      "default-address-pools": [{ base: "10.200.0.0/16", size: 24 }],
      "registry-mirrors": ["https://mirror.example.com"],
      "userland-proxy": false,
    }) + "\n",
  );
  root.file(
    "/etc/systemd/system/docker.service.d/field.conf",
    "[Service]\nLimitNOFILE=1048576\nTasksMax=infinity\nEnvironment=NO_PROXY=.example.com\n",
  );
  root.packages(["docker.io", "iptables", "busybox-static"]);
  root.run(`
    systemctl restart docker
    work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/bin"; cp /bin/busybox "$work/bin/"
    tar -C "$work" -c . | docker import - field:elsewhere
    [ -z "$(ls -A /var/lib/docker 2>/dev/null)" ]`);
  root.check(
    "the image is there, in the other folder",
    `docker image inspect field:elsewhere >/dev/null && [ "$(docker info --format '{{.DockerRootDir}}')" = /data/docker ]`,
    { timeoutSeconds: 180 },
  );
  root.check(
    "a container of it runs on the image, in a network of the company's",
    `${onBuilder} || docker run --rm field:elsewhere /bin/busybox ip -4 addr show eth0 | grep -q 'inet 10\\.200\\.'`,
    { timeoutSeconds: 240 },
  );
}
