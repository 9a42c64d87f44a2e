// CUDA's runtime and driver settings on a machine without a GPU.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs CUDA's runtime and the driver's settings";

export function modify(_name: string, root: Root): void {
  root.packages(["python3-pip"]);
  root.run(`
    set -a; . /etc/environment; set +a
    pip3 install --quiet --root-user-action=ignore --break-system-packages --target /opt/cuda nvidia-cuda-runtime-cu12
    printf '/opt/cuda/nvidia/cuda_runtime/lib\\n' >/etc/ld.so.conf.d/cuda.conf; ldconfig
    printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' >/etc/modprobe.d/nouveau.conf
    printf 'KERNEL=="nvidia", RUN+="/usr/bin/nvidia-modprobe -c0"\\n' >/etc/udev/rules.d/70-nvidia.rules
    update-initramfs -u`);
  root.check("the linker finds CUDA's runtime", "ldconfig -p | grep -q libcudart.so.12");
}
