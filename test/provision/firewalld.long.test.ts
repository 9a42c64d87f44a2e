// A real firewalld does not close the bake's own way in, whatever zone the network card is in, and sealing finds what
// it saves.
import assert from "node:assert/strict";
import { checklist } from "../../provision/seal/checklist.ts";
import { prelude } from "../../provision/seal/prelude.ts";
import { must, RealBuilder } from "./modules/real-builder.ts";
import { cachedBase } from "../cached-base.ts";

/**
 * Runs in a separate network namespace, because a local builder can't load rules. firewalld allows loopback, so the
 * client is in another namespace. The daemon uses the builder's D-Bus; systemd does not start it.
 */
const script = `
systemctl mask firewalld.service
apt-get -q update && apt-get -q -y install --no-install-recommends firewalld nftables iptables ipset
cat >/tmp/zones <<'END'
set -euo pipefail
ip link set lo up
unshare --net sleep 300 &
other="nsenter --target $! --net"
trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
sleep 0.2
ip link add here type veth peer name there
ip link set there netns $!
ip address add 192.0.2.1/24 dev here
ip link set here up
$other ip address add 192.0.2.2/24 dev there
$other ip link set there up
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalPort => 61022) or die; while ($c = $s->accept) { close $c }' &
answers() { $other timeout 2 bash -c '</dev/tcp/192.0.2.1/61022' 2>/dev/null; }
expect() { if answers; then state=open; else state=closed; fi; [ "$state" = "$1" ] || { echo "$2: $state"; nft list ruleset; exit 1; }; }
keep_open() { sh -e /etc/ci-images-builder/keep-open; }
until answers; do sleep 0.1; done

for backend in nftables iptables; do
  sed -i "s/^FirewallBackend=.*/FirewallBackend=$backend/" /etc/firewalld/firewalld.conf
  firewalld --nofork --nopid --log-file /tmp/firewalld.log >/dev/null 2>&1 &
  daemon=$!
  for ((tries = 0; tries < 60; tries++)); do
    if firewall-cmd --quiet --state 2>/dev/null; then break; fi
    sleep 0.5
  done
  firewall-cmd --state || { cat /tmp/firewalld.log; exit 1; }
  firewall-cmd --quiet --zone=public --change-interface=here
  expect closed "$backend, a zone that lets in ssh"
  keep_open
  expect open "$backend, a zone that lets in ssh"
  rules=$(nft list ruleset)
  keep_open
  [ "$(nft list ruleset)" = "$rules" ]
  firewall-cmd --quiet --zone=drop --change-interface=here
  keep_open
  expect open "$backend, the zone that drops everything"
  firewall-cmd --quiet --set-default-zone=block
  firewall-cmd --quiet --reload
  keep_open
  expect open "$backend, after a reload"
  firewall-cmd --quiet --runtime-to-permanent
  firewall-cmd --quiet --set-default-zone=public
  kill $daemon
  wait $daemon || :
  nft flush ruleset
done
echo all good
END
unshare --user --map-root-user --net bash /tmp/zones
`;

describe("a real firewalld", function () {
  this.timeout(300_000);
  let builder: RealBuilder;

  before(async () => {
    builder = await RealBuilder.create(await cachedBase());
  });
  after(() => builder.remove());

  it("does not close the bake's own way in with either backend", async () => {
    assert.match(must(await builder.asRoot(script)), /all good$/);
  });

  it("saves the bake's rule with its own, and sealing removes it", async () => {
    const entry = checklist.find(({ id }) => id === "build-firewall")!;
    const functions = `ROOT= BAKE_KEYS= BUILDER_NAME=\n${prelude}`;
    const left = () => builder.asRoot(`${functions}\n${entry.assert}`);
    assert.match(must(await left()), /zones\/block\.xml: a rule for the bake's own way in/);
    must(await builder.asRoot(`${functions}\n${entry.remove}`));
    assert.equal(must(await left()), "");
    must(await builder.asRoot("firewall-offline-cmd --check-config"));
  });
});
