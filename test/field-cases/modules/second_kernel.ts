// A second kernel from backports, and a module that dkms builds for both kernels.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs a kernel from backports and a dkms module";

export function modify(_name: string, root: Root): void {
  root.run(`
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends -t bookworm-backports linux-image-cloud-amd64 linux-headers-cloud-amd64
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends linux-headers-cloud-amd64 dkms acpi-call-dkms kmod`);
  root.check("the backports kernel runs on the image", `${onBuilder} || case "$(uname -r)" in 6.1.*) exit 1 ;; esac`);
  root.check(
    "the module is built for the newest kernel",
    `dkms status; newest=$(ls /lib/modules | sort -V | tail -n 1); find /lib/modules/$newest -name 'acpi_call.ko*' | grep -q .`,
  );
}
