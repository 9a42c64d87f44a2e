// What the modules docker and docker_images have in common: Docker on a builder that is a container.
//
// The builder of stack `local` is a container whose root is an overlay, without rights over its network. Docker runs there for pulling
// images and for nothing else, with settings and a data folder that sealing removes; a worker starts with Docker's usual ones.

/** Where Docker keeps what it has on such a builder. Sealing removes the folder it is in. */
export const containerData = "/var/lib/ci-images/docker";

/** Sealing removes units of this name (entry build-services). */
const dropIn = "/etc/systemd/system/docker.service.d/ci-images-builder.conf";

/**
 * Bash that, on a builder that is a container, makes Docker fit for it, before it is installed and started for the first time: no
 * bridge and no rules, and layers as plain folders, for an overlay can't stand on an overlay.
 */
export const containerDropIn = `\
if systemd-detect-virt --quiet --container; then
  install -d -m 0711 ${containerData}
  install -D -m 0644 /dev/stdin ${dropIn} <<'END_OF_TEXT'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'exec dockerd -H fd:// --containerd=/run/containerd/containerd.sock --iptables=false --ip6tables=false --bridge=none --ip-forward=false --storage-driver=vfs --data-root=${containerData}'
END_OF_TEXT
  systemctl daemon-reload
fi`;
