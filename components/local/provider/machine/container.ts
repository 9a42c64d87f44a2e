// Builders as containers: prepares the root file system, and builds the command that boots it.
import { randomUUID } from "node:crypto";
import { execa } from "execa";
import { existsSync, readFileSync } from "node:fs";
import { access, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { doorFiles, doorPort, doorScript } from "../../../../provision/builder/door.ts";
import { presentModules } from "../../../../provision/builder/builder-folders.ts";
import { builderMark, markBuilder } from "../../../../provision/modules/shared/units.ts";
import { keptPathsFile } from "../../../../provision/seal/kept.ts";
import { controlGroupOf } from "./control-group.ts";
import { presentModulesFile } from "../layers/layer-state.ts";
import { nameServers, networkCommand } from "./network.ts";
import { diskOptions, enterOverlay, overlayOptions, type Overlay } from "../overlay.ts";
import type { ContainerSupervision } from "./supervisor.ts";

/** Files put into a builder's root that must not be in an image. `USER` is the login user. Sealing removes them. */
export const builderResidue: readonly string[] = [
  "/etc/ssh/ssh_host_ed25519_key",
  "/etc/ssh/ssh_host_ed25519_key.pub",
  "~USER/.ssh/authorized_keys",
  "/etc/sudoers.d/90-ci-images-builder",
  builderMark,
  ...doorFiles,
];

/** The keys and the account for logging in to a builder. */
export interface ContainerAccess {
  loginUser: string;
  /** One authorized_keys line. */
  authorizedKey: string;
  hostPrivateKey: string;
  hostPublicKey: string;
  /** If the root comes from a layer: the public keys of that layer's builder, which are replaced. */
  before?: { authorizedKey: string; hostPublicKey: string };
}

/** What a base must have installed. One file of each line is enough. */
const needed: Record<string, string[]> = {
  systemd: ["usr/lib/systemd/systemd", "lib/systemd/systemd"],
  "openssh-server": ["usr/sbin/sshd"],
  sudo: ["usr/bin/sudo"],
  bash: ["usr/bin/bash", "bin/bash"],
  "useradd (package passwd or shadow-utils)": ["usr/sbin/useradd"],
};

/** @throws UserError naming what the base lacks to boot as a builder. */
export async function checkBase(base: string): Promise<void> {
  const present = async (path: string): Promise<boolean> =>
    access(join(base, path)).then(
      () => true,
      () => false,
    );
  const missing: string[] = [];
  for (const [what, paths] of Object.entries(needed)) {
    const found = await Promise.all(paths.map(present));
    if (!found.includes(true)) missing.push(what);
  }
  if (missing.length === 0) return;
  throw new UserError({
    where: "the base image",
    found: `lacks ${missing.join(", ")}`,
    allowed: "a root file system with systemd, openssh-server, sudo and bash installed",
    cure: "install them in the base, or take another base",
  });
}

// Runs in a chroot, so that links in the tree can't lead out of it. /dev may be missing.
const surroundings = "umask 022; export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PREPARE = `
# Before the first boot: units of a base image that are only for workers must not start.
${markBuilder}
entry=$(getent passwd "$LOGIN_USER") || {
  groups=()
  for group in adm sudo wheel; do found=$(getent group "$group") && groups+=("$group"); done
  useradd --create-home --shell /bin/bash --groups "$(IFS=,; echo "\${groups[*]}")" "$LOGIN_USER"
  entry=$(getent passwd "$LOGIN_USER")
}
IFS=: read -r _ _ uid gid _ home _ <<< "$entry"
[ -d "$home" ] || install -d -m 0755 -o "$uid" -g "$gid" "$home"
install -d -m 0700 -o "$uid" -g "$gid" "$home/.ssh"
printf '%s\\n' "$AUTHORIZED_KEY" > "$home/.ssh/authorized_keys"
chown "$uid:$gid" "$home/.ssh/authorized_keys"
chmod 0600 "$home/.ssh/authorized_keys"
# Keys of other kinds would be offered first, and the connection is pinned to this one.
rm -f /etc/ssh/ssh_host_*
(umask 077; printf '%s\\n' "$HOST_PRIVATE_KEY" > /etc/ssh/ssh_host_ed25519_key)
printf '%s\\n' "$HOST_PUBLIC_KEY" > /etc/ssh/ssh_host_ed25519_key.pub
install -d -m 0750 /etc/sudoers.d
printf '%s ALL=(ALL:ALL) NOPASSWD:ALL\\n' "$LOGIN_USER" > /etc/sudoers.d/90-ci-images-builder
chmod 0440 /etc/sudoers.d/90-ci-images-builder
`;

const prepareFromLayer = readFileSync(new URL("./prepare-from-layer.sh", import.meta.url), "utf8");

// Keep a module's own resolv.conf when the builder is powered off and on.
const NAME_SERVERS = `
if ! grep -qsxF /etc/resolv.conf ${keptPathsFile}; then
  rm -f /etc/resolv.conf
  printf '%s' "$NAME_SERVERS" > /etc/resolv.conf
fi
`;

/**
 * Makes a container's root ready to boot. Idempotent.
 * @param access Omitted if the machine has booted before: then only its network is set up.
 */
export async function prepareContainer(
  overlay: Overlay,
  access?: ContainerAccess,
  signal?: AbortSignal,
): Promise<void> {
  await writeFile(heldBackFile(overlay), heldBackCondition);
  const before = access?.before;
  const values = {
    NAME_SERVERS: nameServers,
    ...(access && {
      LOGIN_USER: access.loginUser,
      AUTHORIZED_KEY: access.authorizedKey.trim(),
      HOST_PRIVATE_KEY: access.hostPrivateKey.trim(),
      HOST_PUBLIC_KEY: access.hostPublicKey.trim(),
    }),
    ...(before && {
      AUTHORIZED_KEY_BEFORE: before.authorizedKey.trim(),
      HOST_PUBLIC_KEY_BEFORE: before.hostPublicKey.trim(),
      MACHINE_ID: randomUUID().replaceAll("-", ""),
    }),
  };
  // On standard input, because other users can read a process's arguments and environment.
  const assignments = Object.entries(values).map(([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'`);
  const [command, ...words] = enterOverlay(overlay);
  const door = access ? [`${doorScript(access)} || exit 1`] : [];
  const steps = before
    ? [prepareFromLayer, `replace_identity ${doorFiles.join(" ")}`, ...door, "note_replaced"]
    : [...(access ? [PREPARE] : []), ...door];
  await execa(command, [...words, "chroot", overlay.path, "/bin/bash", "-euo", "pipefail", "-s"], {
    input: [surroundings, ...assignments, ...steps, NAME_SERVERS].join("\n"),
    cancelSignal: signal,
  });
}

// Units that must not run in a builder. A condition stops them rather than a mask, so that modules can still enable and
// start them without an error.
const heldBack = [
  // The network is already configured, from outside.
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-networkd-wait-online.service",
  "NetworkManager.service",
  "NetworkManager-wait-online.service",
  // They would hold the package manager's lock while modules need it.
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "unattended-upgrades.service",
  "dnf-makecache.timer",
  // Makes host keys of other kinds.
  "sshd-keygen.target",
  "sshd-keygen.service",
];

/** The file with the condition, in the machine's folder. It is mounted below /run, so it never gets into the image. */
const heldBackFile = ({ path }: Overlay): string => join(dirname(path), "held-back.conf");
const heldBackCondition = "[Unit]\nConditionVirtualization=!container\n";

function heldBackWords(overlay: Overlay): string[] {
  // A colon separates the two paths. The drop-in must sort last: a later one could reset the condition.
  const source = heldBackFile(overlay).replaceAll(/[\\:]/g, "\\$&");
  return heldBack.map((unit) => `--bind-ro=${source}:/run/systemd/system/${unit}.d/zz-ci-images-builder.conf`);
}

/**
 * The supervisor's instructions for the container of the machine in `directory`.
 * @param seed The folder of a NoCloud seed (`user-data`, `meta-data`, ...) for the guest's cloud-init. Without one,
 *   `prepareContainer` has prepared the machine and cloud-init stays off.
 */
export function containerSupervision(
  directory: string,
  name: string,
  overlay: Overlay,
  seed?: string,
): ContainerSupervision {
  const network = join(directory, "network");
  const boot = [
    ...["systemd-nspawn", "--quiet", "--boot", "--settings=no", `--directory=${overlay.path}`],
    // No machine registry and no scopes: the host may not run systemd.
    ...["--register=no", "--keep-unit", `--machine=${hostName(name)}`],
    // Software records the host name it was installed under. "localhost" reveals nothing and is right everywhere. With
    // a seed, the name comes from there.
    ...(seed === undefined ? ["--hostname=localhost"] : []),
    // The network namespace is the builder's own, so it has all rights over it, and /proc/sys/net can be written to.
    ...["--private-network", `--network-namespace-path=${network}`],
    // To start a container, runc needs a session keyring, and a BPF program for the devices of its control group.
    "--system-call-filter=@keyring bpf",
    // systemd-nspawn must not write into the image: we set the name servers, and logs and time zone are the image's.
    ...["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
    "--kill-signal=SIGRTMIN+4",
    ...heldBackWords(overlay),
    ...presentModulesWords(directory),
    ...cloudInitWords(seed),
  ];
  const enterGroup = 'echo 0 >"$CONTROL_GROUP/guest/cgroup.procs" && exec "$@"';
  return {
    kind: "container",
    // With a seed, the machine also gets the ordinary SSH port, like a machine in a cloud.
    ports: seed === undefined ? [doorPort] : [22, doorPort],
    command: ["sh", "-c", enterGroup, "sh", ...boot],
    networkCommand: networkCommand(network),
    overlay,
    overlayOptions: overlayOptions(overlay),
    diskOptions,
    controlGroup: controlGroupOf(directory),
    nameServers,
  };
}

/** Mounts the hashes of the modules that came with a layer. A module's commands end at once if its hash is listed. */
function presentModulesWords(directory: string): string[] {
  const file = presentModulesFile(directory);
  // Builders made by older versions have none.
  return existsSync(file) ? [`--bind-ro=${file.replaceAll(/[\\:]/g, "\\$&")}:${presentModules}`] : [];
}

/**
 * Sets the kernel command line for cloud-init, which reads it from a variable, or else from the arguments of process 1.
 * The last word is such an argument.
 */
function cloudInitWords(seed?: string): string[] {
  if (seed === undefined) return ["--setenv=KERNEL_CMDLINE=cloud-init=disabled", "cloud-init=disabled"];
  // Below /run, so that it never gets into the image.
  const inside = "/run/ci-images-seed";
  const source = `ds=nocloud;s=${inside}/`;
  return [`--bind-ro=${seed}:${inside}`, `--setenv=KERNEL_CMDLINE=${source}`, source];
}

/** The guest's host name: at most 63 letters, digits and dashes. */
function hostName(name: string): string {
  return name
    .replaceAll(/[^a-zA-Z0-9-]/g, "-")
    .slice(-63)
    .replace(/^-+/, "");
}
