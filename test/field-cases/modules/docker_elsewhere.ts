// Checks Docker's data folder, log limits and networks, which the recipe sets with `daemon` of module docker.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Checks Docker's settings";

export function modify(_name: string, root: Root): void {
  root.packages(["busybox-static"]);
  root.file(
    "/etc/systemd/system/docker.service.d/field.conf",
    "[Service]\nLimitNOFILE=infinity\nTasksMax=infinity\nEnvironment=NO_PROXY=.example.com\n",
  );
  root.check(
    "the worker uses the configured data folder",
    `${onBuilder} || [ "$(docker info --format '{{.DockerRootDir}} {{.LoggingDriver}} {{.LiveRestoreEnabled}}')" = '/data/docker json-file true' ]`,
    { timeoutSeconds: 180 },
  );
  root.check(
    "containers use the configured address pool",
    `work=$(mktemp -d); mkdir "$work/bin"; cp /bin/busybox "$work/bin/"; tar -C "$work" -c . | docker import - field:elsewhere; docker run --rm field:elsewhere /bin/busybox ip -4 addr show eth0 | grep -q 'inet 10\\.200\\.'`,
    { timeoutSeconds: 300 },
  );
}
