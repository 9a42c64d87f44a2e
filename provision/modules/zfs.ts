// Installs ZFS and builds its kernel modules for the newest kernel in the image. They stay unstripped, so that crashes
// in them can be debugged. On Red Hat's family the packages come from the OpenZFS project. DKMS is in EPEL: put module
// repositories with epel before this one.
//
// On Debian 12 the packages were installed, and DKMS started to build for the image's kernel; the test did not wait for
// the build, and no machine has loaded the module. The rest is untested.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Distribution, Root } from "../module.ts";
import { addRepository } from "./shared/repositories.ts";
import { aptGet } from "../plan/root.ts";
import { isInstalled, settingsOf } from "./shared/module-settings.ts";

export const description = "Installs ZFS, with kernel modules for the newest kernel in the image";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    testing: {
      type: "boolean",
      default: false,
      description: "Whether to use OpenZFS's testing repository instead of the stable one (Red Hat's family only).",
      examples: [true],
    },
  },
};

/** The settings under `zfs`. */
interface Settings {
  testing?: boolean;
}

/**
 * From openzfs.github.io, "RHEL-based distro"; the second key is for EL 9 and newer. Packages are checked against the
 * key, so a plain http mirror is safe.
 */
const keys = {
  old: { name: "RPM-GPG-KEY-openzfs-key1", fingerprint: "C93AFFFD9F3F7B03C310CEB6A9D5A1C0F14AB620" },
  now: { name: "RPM-GPG-KEY-openzfs-key2", fingerprint: "7DC7299DCF7C7FD9CD87701BA599FD5E9DB84141" },
};

const newestKernel = "ls -1 /lib/modules | sort -V | tail -n 1";

/**
 * Records the packages, and that the modules are built and loaded.
 * @throws UserError on Amazon Linux and Ubuntu 14.04, which have no packages, and for `testing` without a testing
 *   repository.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { testing = false } = settingsOf<Settings>(cfg, "zfs", {});
  const { distribution } = root;
  refuse(name, distribution, testing);
  // Read by zfs's dkms.conf. spl was a separate module before 0.8.
  const folder = distribution.family === "redhat" ? "/etc/sysconfig" : "/etc/default";
  root.run(
    `for module in zfs spl; do
  file=${folder}/$module
  touch "$file"
  key=\${module^^}_DKMS_DISABLE_STRIP
  sed -i "/^$key=/d" "$file"
  printf '%s=y\\n' "$key" >>"$file"
done`,
  );
  if (distribution.family === "redhat") redhat(root, testing);
  else debian(root);
  root.run("systemd-detect-virt --quiet --container || modprobe zfs");
  root.file("/etc/modules-load.d/ci-zfs.conf", "zfs\n");
  root.check("ZFS is built without stripping", `grep -qx ZFS_DKMS_DISABLE_STRIP=y ${folder}/zfs`);
  root.check("ZFS is loaded at boot", "[ -f /etc/modules-load.d/ci-zfs.conf ]");
  root.check("ZFS's kernel module is there for the newest kernel", `modinfo -k "$(${newestKernel})" zfs`);
  // A container has its host's kernel.
  root.check(
    "ZFS is loaded and its tools work",
    `[ -x "$(command -v zpool)" ] && { systemd-detect-virt --quiet --container || zpool list; }`,
  );
}

function refuse(name: string, { id, name: distribution, family, init }: Distribution, testing: boolean): void {
  const where = `module ${name}`;
  if (distribution === "amazon" || init)
    throw new UserError({ where, found: `there are no ZFS packages for ${id}`, cure: "leave the module out" });
  if (testing && family !== "redhat")
    throw new UserError({
      where,
      key: "zfs.testing",
      found: `${id} has no testing repository of ZFS`,
      allowed: "Rocky and CentOS",
      cure: "leave testing out",
    });
}

function debian(root: Root): void {
  const isUbuntu = root.distribution.name === "ubuntu";
  // Ubuntu's kernels include the module. Debian has the source in contrib.
  if (isUbuntu) {
    root.packages(["zfsutils-linux"]);
  } else {
    // Headers of the kernel that the image will boot: DKMS builds for it, not for the kernel of a container's host.
    root.packages(["dpkg-dev", "dkms"]);
    root.run(`${aptGet} install --no-install-recommends "linux-headers-$(${newestKernel})"`);
    root.packages(["zfs-dkms", "zfsutils-linux"]);
    root.run(build);
  }
  root.check("ZFS is installed", isInstalled(root.distribution, "zfsutils-linux"));
}

function redhat(root: Root, testing: boolean): void {
  const isOld = root.distribution.version === "7";
  const { name, fingerprint } = isOld ? keys.old : keys.now;
  addRepository(root, {
    name: "zfs",
    url: `http://download.zfsonlinux.org/${testing ? "epel-testing" : "epel"}/$releasever/$basearch/`,
    key_url: `https://raw.githubusercontent.com/zfsonlinux/zfsonlinux.github.com/master/zfs-release/${name}`,
    key_fingerprint: fingerprint,
  });
  root.packages(["kernel-devel", "dkms", "zfs"]);
  root.run(build);
  root.check("ZFS is installed", isInstalled(root.distribution, "zfs"));
}

/** Builds for the kernel that the image will boot; the package's own script builds for the running one. */
const build = `dkms autoinstall -k "$(${newestKernel})"`;
