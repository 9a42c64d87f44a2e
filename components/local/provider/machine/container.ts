// A builder as a container: what is put into its root file system before it boots, and the command that boots it.
import { randomUUID } from "node:crypto";
import { execa } from "execa";
import { existsSync, readFileSync } from "node:fs";
import { access, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { doorFiles, doorPort, doorScript } from "../../../../provision/builder/door.ts";
import { presentModules } from "../../../../provision/builder/builder-folders.ts";
import { keptPathsFile } from "../../../../provision/seal/kept.ts";
import { controlGroupOf } from "./control-group.ts";
import { presentModulesFile } from "../layers/layer-state.ts";
import { nameServers, networkCommand } from "./network.ts";
import { diskOptions, enterOverlay, overlayOptions, type Overlay } from "../overlay.ts";
import type { ContainerSupervision } from "./supervisor.ts";

/** Everything that is put into a builder's root and must not be in an image; `USER` stands for the login user. Sealing removes it. */
export const builderResidue: readonly string[] = [
  "/etc/ssh/ssh_host_ed25519_key",
  "/etc/ssh/ssh_host_ed25519_key.pub",
  "~USER/.ssh/authorized_keys",
  "/etc/sudoers.d/90-ci-images-builder",
  ...doorFiles,
];

/** Who may log in to a builder, and how it proves to be the right one. */
export interface ContainerAccess {
  loginUser: string;
  /** One authorized_keys line. */
  authorizedKey: string;
  hostPrivateKey: string;
  hostPublicKey: string;
  /** Public keys of the builder that the root was copied from, where it comes from a layer: they are replaced. */
  before?: { authorizedKey: string; hostPublicKey: string };
}

/** Any one file of each line is enough. */
const needed: Record<string, string[]> = {
  systemd: ["usr/lib/systemd/systemd", "lib/systemd/systemd"],
  "openssh-server": ["usr/sbin/sshd"],
  sudo: ["usr/bin/sudo"],
  bash: ["usr/bin/bash", "bin/bash"],
  "useradd (package passwd or shadow-utils)": ["usr/sbin/useradd"],
};

/** @throws UserError naming what a base image lacks to be booted as a builder. */
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

// Runs inside the root (chroot), so links in the tree can't lead out of it. There may be no /dev in it.
const surroundings = "umask 022; export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PREPARE = `
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

// A module's own resolv.conf is not to be lost when the builder is powered off and on.
const NAME_SERVERS = `
if ! grep -qsxF /etc/resolv.conf ${keptPathsFile}; then
  rm -f /etc/resolv.conf
  printf '%s' "$NAME_SERVERS" > /etc/resolv.conf
fi
`;

/**
 * Makes a container's root ready to boot. Fit to run twice.
 * @param access Left out when the machine has been up before: then only its network is set up.
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
  // On standard input, because arguments and environments of processes can be read by others.
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

// Units that make no sense in a builder. A condition keeps them down: modules can enable and start them, as they do on a machine, which
// a masked unit refuses.
const heldBack = [
  // The network is there already, and nobody tells networkd about it.
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-networkd-wait-online.service",
  "NetworkManager.service",
  "NetworkManager-wait-online.service",
  // They would take the package manager's lock from modules.
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "unattended-upgrades.service",
  "dnf-makecache.timer",
  // Makes host keys of other kinds.
  "sshd-keygen.target",
  "sshd-keygen.service",
];

/** The condition, in the machine's folder. It gets into /run of the builder, so nothing of it is in the image. */
const heldBackFile = ({ path }: Overlay): string => join(dirname(path), "held-back.conf");
const heldBackCondition = "[Unit]\nConditionVirtualization=!container\n";

function heldBackWords(overlay: Overlay): string[] {
  // A colon separates the two paths. The drop-in's name makes it the last one: an earlier one could drop the condition.
  const source = heldBackFile(overlay).replaceAll(/[\\:]/g, "\\$&");
  return heldBack.map((unit) => `--bind-ro=${source}:/run/systemd/system/${unit}.d/zz-ci-images-builder.conf`);
}

/**
 * How the supervisor runs the container of the machine in `directory`.
 * @param seed A folder of a NoCloud seed (`user-data`, `meta-data`, ...) for the guest's own cloud-init. Without one
 *   cloud-init stays off, because then the machine is prepared by `prepareContainer`.
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
    // No machine registry and no scopes: the host may run no systemd at all.
    ...["--register=no", "--keep-unit", `--machine=${hostName(name)}`],
    // Software notes the name of the machine that it is installed on. This one tells nothing, and isn't wrong anywhere. A machine of a
    // cloud gets its name from there.
    ...(seed === undefined ? ["--hostname=localhost"] : []),
    `--network-namespace-path=${network}`,
    // systemd-nspawn is not to write into the image: name servers are set by us, and logs and time zone are the image's own.
    ...["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
    "--kill-signal=SIGRTMIN+4",
    ...heldBackWords(overlay),
    ...presentModulesWords(directory),
    ...cloudInitWords(seed),
  ];
  const enterGroup = 'echo 0 >"$CONTROL_GROUP/guest/cgroup.procs" && exec "$@"';
  return {
    kind: "container",
    // A machine of a cloud has its ports as they are.
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

/** Commands of modules that came with a layer find their hashes there, and end at once. */
function presentModulesWords(directory: string): string[] {
  const file = presentModulesFile(directory);
  // A builder of an older version has none.
  return existsSync(file) ? [`--bind-ro=${file.replaceAll(/[\\:]/g, "\\$&")}:${presentModules}`] : [];
}

/** cloud-init reads a variable, or else the arguments of process 1, as the kernel command line. The last word is such an argument. */
function cloudInitWords(seed?: string): string[] {
  if (seed === undefined) return ["--setenv=KERNEL_CMDLINE=cloud-init=disabled", "cloud-init=disabled"];
  // Beneath /run, so that nothing of it is in the image.
  const inside = "/run/ci-images-seed";
  const source = `ds=nocloud;s=${inside}/`;
  return [`--bind-ro=${seed}:${inside}`, `--setenv=KERNEL_CMDLINE=${source}`, source];
}

/** What the guest is called inside: at most 63 letters, digits and dashes. */
function hostName(name: string): string {
  return name
    .replaceAll(/[^a-zA-Z0-9-]/g, "-")
    .slice(-63)
    .replace(/^-+/, "");
}
