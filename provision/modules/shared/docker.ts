// What the modules docker and docker_images have in common: Docker on a builder that is a container.
//
// The builder of stack `local` is a container whose root is an overlay, without rights over its network. Docker runs there for pulling
// images and for nothing else, with settings and a data folder that sealing removes; a worker starts with Docker's usual ones.

/** Where Docker keeps what it has on such a builder. Sealing removes the folder it is in. */
export const containerData = "/var/lib/ci-images/docker";

/** Sealing removes units of this name (entry build-services). */
const dropIn = "/etc/systemd/system/docker.service.d/ci-images-builder.conf";

/** The settings of daemon.json that {@link containerDropIn} decides: Docker refuses to start when it is told twice. */
const decided = [
  ...["data-root", "graph", "storage-driver", "storage-opts", "exec-root", "containerd"],
  ...["bridge", "bip", "fixed-cidr", "fixed-cidr-v6", "ipv6", "default-gateway", "default-gateway-v6"],
  ...["iptables", "ip6tables", "ip-forward", "ip-masq", "userland-proxy", "live-restore"],
];

/** Python that writes daemon.json without what is decided. cloud-init, which every image needs, has Python with it. */
const ownSettings = `\
import json, os, sys
given, own = "/etc/docker/daemon.json", "${containerData}/daemon.json"
settings = json.load(open(given)) if os.path.exists(given) else {}
json.dump({key: value for key, value in settings.items() if key not in sys.argv[1:]}, open(own, "w"))`;

/**
 * Bash that, on a builder that is a container, makes Docker fit for it, before it is installed and started for the first time: no
 * bridge and no rules, and layers as plain folders, for an overlay can't stand on an overlay. What daemon.json says of these counts on
 * the worker; the rest of it (mirrors, proxies) counts here, too.
 */
export const containerDropIn = `\
if systemd-detect-virt --quiet --container; then
  install -d -m 0711 ${containerData}
  cat >${containerData}/own-settings.py <<'END_OF_TEXT'
${ownSettings}
END_OF_TEXT
  install -D -m 0644 /dev/stdin ${dropIn} <<'END_OF_TEXT'
[Service]
ExecStartPre=/usr/bin/python3 ${containerData}/own-settings.py ${decided.join(" ")}
ExecStart=
ExecStart=/bin/sh -c 'exec dockerd -H fd:// --containerd=/run/containerd/containerd.sock --config-file=${containerData}/daemon.json --iptables=false --ip6tables=false --bridge=none --ip-forward=false --storage-driver=vfs --data-root=${containerData}'
END_OF_TEXT
  systemctl daemon-reload
fi`;
