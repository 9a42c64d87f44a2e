// Shared by the modules docker and docker_images: runs Docker on a builder that is a container.
//
// The builder of stack `local` is a container with an overlay root. There, Docker keeps its images in a folder and a
// format that work on such a root, and that sealing removes. A worker starts with Docker's defaults.

/** Docker's data folder on such a builder. Sealing removes its parent folder. */
export const containerData = "/var/lib/ci-images/docker";

/** Sealing removes units of this name (entry build-services). */
const dropIn = "/etc/systemd/system/docker.service.d/ci-images-builder.conf";

/** Settings of daemon.json that {@link containerDropIn} sets. Docker refuses to start if one is set twice. */
const decided = [
  ...["data-root", "graph", "storage-driver", "storage-opts", "exec-root", "containerd"],
  ...["bridge", "bip", "fixed-cidr", "fixed-cidr-v6", "ipv6", "default-gateway", "default-gateway-v6"],
  ...["iptables", "ip6tables", "ip-forward", "ip-masq", "userland-proxy", "live-restore"],
];

/** Python that writes daemon.json without those settings. Every image needs cloud-init, so it has Python. */
const ownSettings = `\
import json, os, sys
given, own = "/etc/docker/daemon.json", "${containerData}/daemon.json"
settings = json.load(open(given)) if os.path.exists(given) else {}
json.dump({key: value for key, value in settings.items() if key not in sys.argv[1:]}, open(own, "w"))`;

/**
 * Starts Docker. Layers are plain folders, because an overlay doesn't work on an overlay. Containers have a network if
 * this computer's kernel has bridges and address translation; otherwise they can use `--network none` and `host`.
 */
const start = `\
network="--bridge=none --iptables=false --ip-forward=false"
if iptables --table nat --list-rules >/dev/null 2>&1 && ip link add ci-images0 type bridge 2>/dev/null; then
  ip link delete ci-images0
  network=
fi
exec dockerd -H fd:// --containerd=/run/containerd/containerd.sock --config-file=${containerData}/daemon.json --storage-driver=vfs --data-root=${containerData} --ip6tables=false $network`;

/**
 * Bash that prepares Docker for a builder that is a container, before Docker is installed. The values of the
 * {@link decided} settings in daemon.json apply on the worker; its other settings (mirrors, proxies) apply here, too.
 */
export const containerDropIn = `\
if systemd-detect-virt --quiet --container; then
  install -d -m 0711 ${containerData}
  cat >${containerData}/own-settings.py <<'END_OF_TEXT'
${ownSettings}
END_OF_TEXT
  cat >${containerData}/start.sh <<'END_OF_TEXT'
${start}
END_OF_TEXT
  install -D -m 0644 /dev/stdin ${dropIn} <<'END_OF_TEXT'
[Service]
ExecStartPre=/usr/bin/python3 ${containerData}/own-settings.py ${decided.join(" ")}
ExecStart=
ExecStart=/bin/sh ${containerData}/start.sh
END_OF_TEXT
  systemctl daemon-reload
fi`;
