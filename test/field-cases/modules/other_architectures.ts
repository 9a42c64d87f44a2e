// Packages for another architecture beside the machine's own.
import type { Root } from "../../../provision/module.ts";

export const description = "Adds arm64 and cross compilers";

export function modify(_name: string, root: Root): void {
  root.run("dpkg --add-architecture arm64");
  root.packages([
    "zlib1g:arm64",
    "libc6:arm64",
    "gcc-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "qemu-user-static",
    "binfmt-support",
  ]);
  root.check(
    "packages for both architectures are installed",
    `dpkg-query -W -f '\${Architecture} ' libc6:arm64 libc6:amd64 | grep -q 'amd64 arm64'`,
  );
  root.check(
    "a program for the other architecture runs on the image",
    `systemd-detect-virt --quiet --container || { cd "$(mktemp -d -p /var/tmp)"; echo 'int main(){return 42;}' | aarch64-linux-gnu-gcc -static -x c - -o field-arm64; code=0; ./field-arm64 || code=$?; [ "$code" = 42 ]; }`,
  );
}
