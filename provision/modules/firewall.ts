// Turns on a firewall that lets in only SSH, replies, ping and the recipe's ports: firewalld on Red Hat's family,
// nftables on Debian and Ubuntu. Connections from containers on the worker, and outgoing traffic, are not affected.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Turns on a firewall with some ports open";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    ports: {
      type: "array",
      uniqueItems: true,
      items: { type: "string", pattern: "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?/(tcp|udp)$" },
      default: ["80/tcp"],
      description: "The open ports or ranges of ports, each with its protocol. SSH (22/tcp) is always open.",
      examples: [["80/tcp", "60000-61000/udp"]],
    },
    backend: {
      type: "string",
      enum: ["firewalld", "nftables"],
      description:
        "The firewall to use: by default firewalld on Red Hat's family, nftables on Debian and Ubuntu. nftables works only on Debian and Ubuntu.",
      examples: ["firewalld"],
    },
  },
};

/** The settings under `firewall`. */
interface Settings {
  ports?: string[];
  backend?: "firewalld" | "nftables";
}

/** A container's kernel is its host's, which may lack what the rules need. There, only their syntax is checked. */
const inContainer = "systemd-detect-virt --quiet --container";

/**
 * Records the firewall. In a container it is only enabled: it starts when a machine boots from the image.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const own = root.distribution.family === "redhat" ? "firewalld" : "nftables";
  const { ports = settings.properties.ports.default, backend = own } = settingsOf<Settings>(cfg, "firewall", {});
  const all = [...new Set(["22/tcp", ...ports])];
  if (backend === "firewalld") firewalld(root, all);
  else nftables(root, all);
}

const zone = "ci-worker";

/**
 * Makes our own zone the default for every network card. Images have other defaults; Google's images of Red Hat's
 * family use `trusted`, which lets in everything.
 */
function firewalld(root: Root, ports: string[]): void {
  root.packages(["firewalld"]);
  root.file(`/etc/firewalld/zones/${zone}.xml`, zoneFile(ports));
  root.run(
    // Works whether or not firewalld runs; a running one is updated afterwards.
    `[ "$(firewall-offline-cmd --get-default-zone)" = ${zone} ] || firewall-offline-cmd --set-default-zone=${zone}`,
  );
  root.enable("firewalld.service", { start: false });
  root.run(`${inContainer} || systemctl restart firewalld.service`);
  root.check(
    "firewalld is enabled and running",
    `systemctl --quiet is-enabled firewalld.service && { ${inContainer} || systemctl --quiet is-active firewalld.service; }`,
  );
  // Check the running firewall, which is what counts. The check changes nothing.
  root.check(
    "the firewall refuses what nothing lets in",
    `if ${inContainer}; then [ "$(firewall-offline-cmd --get-default-zone)" = ${zone} ] && exit; exit 1; fi
[ "$(firewall-cmd --get-default-zone)" = ${zone} ]
for card in /sys/class/net/*/device; do
  card=\${card%/device}
  # Says \`no zone\`, and fails, for a card that is in the default one.
  case $(firewall-cmd --get-zone-of-interface="\${card##*/}" || :) in
  ${zone} | "no zone" | "") ;;
  *) echo "\${card##*/} is in another zone" && exit 1 ;;
  esac
done`,
  );
  for (const port of ports)
    root.check(
      `the firewall lets ${port} in`,
      `if ${inContainer}; then firewall-offline-cmd --zone=${zone} --query-port=${quote(port)}; else firewall-cmd --zone=${zone} --query-port=${quote(port)}; fi`,
    );
}

/**
 * A zone refuses everything it doesn't name, except ping:
 * https://firewalld.org/documentation/man-pages/firewalld.zone.html
 */
function zoneFile(ports: string[]): string {
  const lines = ports.map((port) => {
    const [range, protocol] = port.split("/");
    return `  <port port="${range}" protocol="${protocol}"/>\n`;
  });
  return `<?xml version="1.0" encoding="utf-8"?>
<!-- Written by ci-images. -->
<zone>
  <short>CI worker</short>
  <service name="dhcpv6-client"/>
${lines.join("")}</zone>
`;
}

const rulesFile = "/etc/nftables.d/ci-worker.nft";
const unit = "ci-firewall.service";

function nftables(root: Root, ports: string[]): void {
  root.packages(["nftables"]);
  root.file(rulesFile, rules(ports));
  root.file(`/etc/systemd/system/${unit}`, serviceUnit);
  // In its own network namespace, where even a container can load rules: wrong rules end the bake here.
  root.run(`unshare --user --map-root-user --net nft --file ${rulesFile}\nsystemctl daemon-reload`);
  root.enable(unit, { start: false });
  root.run(`${inContainer} || systemctl restart ${unit}`);
  root.check(
    "the firewall is enabled and running",
    `systemctl --quiet is-enabled ${unit} && { ${inContainer} || systemctl --quiet is-active ${unit}; }`,
  );
  root.check("the firewall drops what nothing lets in", `${loadedRules}\n[[ $rules == *"policy drop"* ]]`);
  for (const port of ports) {
    const [range = "", protocol = ""] = port.split("/");
    root.check(
      `the firewall lets ${port} in`,
      `${loadedRules}\ngrep -qx '[[:space:]]*${protocol} dport ${range} accept' <<<"$rules"`,
    );
  }
}

/** Sets `rules`: the kernel's or, in a container, the ones that would be loaded. */
const loadedRules = `\
if ${inContainer}; then rules=$(unshare --user --map-root-user --net sh -c 'nft --file ${rulesFile} && nft --numeric list table inet ci_worker')
else rules=$(nft --numeric list table inet ci_worker); fi`;

/** The rules, in our own table: flushing all rules would remove those of Docker and others, too. */
function rules(ports: string[]): string {
  const lines = ports.map((port) => {
    const [range, protocol] = port.split("/");
    return `    ${protocol} dport ${range} accept`;
  });
  return `#!/usr/sbin/nft -f
# Written by ci-images.
table inet ci_worker
delete table inet ci_worker
table inet ci_worker {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    # Jobs in containers reach services of their host. Two rules: a set may have wildcards from nftables 1.0.3 on only.
    iifname "docker0" accept
    iifname "br-*" accept
    meta l4proto { icmp, ipv6-icmp } accept
    # Answers of DHCPv6 come from an address that was not asked.
    ip6 saddr fe80::/10 udp dport 546 accept
${lines.join("\n")}
  }
}
`;
}

// Our own unit, because stopping nftables.service flushes all rules.
const serviceUnit = `[Unit]
Description=Firewall of the CI worker
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target
Conflicts=shutdown.target
ConditionVirtualization=!container

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file ${rulesFile}
ExecStop=/usr/sbin/nft delete table inet ci_worker

[Install]
WantedBy=sysinit.target
`;
