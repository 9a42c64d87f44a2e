// Docker with an image from a tar made by hand, a network and a volume: Docker Hub can't be had here.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Fills Docker's own store";

export function modify(_name: string, root: Root): void {
  root.packages(["docker.io", "busybox-static", "iptables"]);
  root.run(`
    systemctl start docker
    work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/bin"; cp /bin/busybox "$work/bin/"
    tar -C "$work" -c . | docker import - field:1
    docker volume create field-volume
    docker network inspect field-net >/dev/null 2>&1 || docker network create field-net
    docker run --rm --network none -v field-volume:/data field:1 /bin/busybox sh -c 'echo kept >/data/file'`);
  root.check(
    "the image, the volume and the network are there",
    "docker image inspect field:1 >/dev/null && docker network inspect field-net >/dev/null && docker volume inspect field-volume >/dev/null",
    { timeoutSeconds: 120 },
  );
  root.check(
    "a container finds the volume's file",
    `${onBuilder} || [ "$(docker run --rm --network none -v field-volume:/data field:1 /bin/busybox cat /data/file)" = kept ]`,
    { timeoutSeconds: 240 },
  );
}
