// Turns scatter-gather off on the network cards at every boot, because some hypervisors dropped packets with data in
// too many pieces (Xen's "skb rides the rocket"). Any feature that `ethtool -k` lists can be turned off or on.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Turns scatter-gather off on the network cards at boot";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    features: {
      type: "object",
      additionalProperties: { type: "boolean" },
      propertyNames: { pattern: "^[a-z0-9][a-z0-9-]*$" },
      minProperties: 1,
      default: { "scatter-gather": false },
      description: "The features to turn on or off, by the names that `ethtool -k CARD` prints.",
      examples: [{ "scatter-gather": false, "tcp-segmentation-offload": false }],
    },
  },
};

/** The settings under `network_card_fix`. */
interface Settings {
  features?: Record<string, boolean>;
}

const script = "/usr/local/sbin/ci-network-card-fix";
const unit = "ci-network-card-fix.service";

/**
 * Records the script and its unit. A container has no card of its own: there, the unit is only enabled.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const { features = settings.properties.features.default } = settingsOf<Settings>(cfg, "network_card_fix", {});
  root.packages(["ethtool"]);
  root.file(script, fixScript(Object.entries(features)), { mode: "0755" });
  root.file(`/etc/systemd/system/${unit}`, serviceUnit);
  root.run("systemctl daemon-reload");
  root.enable(unit);
  root.check("the network cards are set at boot", `systemctl --quiet is-enabled ${unit}`);
  const states = Object.entries(features).map(([feature, isOn]) => `${feature} ${isOn ? "on" : "off"}`);
  root.check(
    `network cards: ${states.join(", ")}`,
    `[ -x ${script} ] && { systemd-detect-virt --quiet --container || ${script} --look; }`,
  );
}

function fixScript(features: [string, boolean][]): string {
  const words = features.map(([feature, isOn]) => `${feature}=${isOn ? "on" : "off"}`);
  return `#!/bin/bash
# Sets features of all network cards. With --look it changes nothing, and fails where one is not as it should be.
set -euo pipefail
shopt -s nullglob
status=0
for device in /sys/class/net/*/device; do
  card=$(basename "$(dirname "$device")")
  for wish in ${words.join(" ")}; do
    feature=\${wish%=*} state=\${wish#*=}
    now=$(ethtool -k "$card" | sed -n "s/^[[:space:]]*$feature: //p")
    case $now in
      "$state" | "$state "*) continue ;;
      *"[fixed]") echo "$card: the card cannot change $feature, it stays $now" >&2; continue ;;
      "") echo "$card: the card has no feature $feature" >&2; continue ;;
    esac
    if [ "\${1:-}" = --look ]; then echo "$card: $feature is $now" >&2; status=1; continue; fi
    ethtool -K "$card" "$feature" "$state" || status=1
  done
done
exit "$status"
`;
}

const serviceUnit = `[Unit]
Description=Set features of the network cards
# Cards are there when udev has done its work, and no packet is lost before the network is up.
After=systemd-udev-settle.service systemd-udevd.service
Wants=systemd-udev-settle.service
Before=network.target network-online.target
ConditionVirtualization=!container

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${script}

[Install]
WantedBy=multi-user.target
`;
