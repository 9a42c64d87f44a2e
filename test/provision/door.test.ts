// The bake's own way in, on a real builder: for the bake, for people, and behind a recipe's firewall.
import assert from "node:assert/strict";
import { renderProgram } from "../../provision/builder/runner.ts";
import { findingMark } from "../../provision/builder/commands.ts";
import { verificationChecks } from "../../provision/builder/verification.ts";
import { must, RealBuilder } from "./modules/real-builder.ts";
import { cachedBase } from "../cached-base.ts";

/**
 * Loads firewall rules of nftables and iptables that only allow port 22. A local builder can't load rules, so this
 * happens in a separate network namespace. The client is in that namespace too, so the rules let its own packets
 * through.
 */
const firewalls = `
apt-get -q update && apt-get -q -y install --no-install-recommends nftables iptables
cat >/tmp/firewalls <<'END'
set -eu
ip link set lo up
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalPort => 61022) or die; while ($c = $s->accept) { close $c }' &
trap "kill $!" EXIT
answers() { timeout 1 bash -c '</dev/tcp/127.0.0.1/61022' 2>/dev/null; }
expect() { if answers; then state=open; else state=closed; fi; [ "$state" = "$1" ] || { echo "$2: $state"; nft list ruleset; exit 1; }; }
until answers; do sleep 0.1; done

nft -f - <<RULES
table inet filter {
  chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept; tcp sport 61022 accept; }
  chain output { type filter hook output priority 0; policy drop; tcp sport 22 accept; tcp dport 61022 accept; }
}
table ip raw {
  chain early { type filter hook prerouting priority -300; tcp dport 22 accept; tcp sport 61022 accept; meta l4proto tcp drop; }
}
RULES
expect closed nft
sh -e /etc/ci-images-builder/keep-open
expect open nft
rules=$(nft list ruleset)
[ "$(grep -c ci-images-builder <<<"$rules")" = 3 ]
sh -e /etc/ci-images-builder/keep-open
[ "$(nft list ruleset)" = "$rules" ]
nft flush ruleset

for tool in iptables-nft iptables-legacy; do
  update-alternatives --set iptables /usr/sbin/$tool >/dev/null
  iptables -P INPUT DROP
  iptables -A INPUT -p tcp --dport 22 -j ACCEPT
  iptables -A INPUT -p tcp --sport 61022 -j ACCEPT
  iptables -A OUTPUT -p tcp --dport 61022 -j ACCEPT
  iptables -A OUTPUT -j REJECT
  expect closed $tool
  sh -e /etc/ci-images-builder/keep-open
  expect open $tool
  iptables-save | grep -- '-A INPUT .*--comment ci-images-builder -j ACCEPT'
  iptables -P INPUT ACCEPT
  iptables -F
done
echo all good
END
unshare --user --map-root-user --net bash /tmp/firewalls
`;

describe("the bake's own way in", function () {
  this.timeout(300_000);
  let builder: RealBuilder;

  before(async () => {
    builder = await RealBuilder.create(await cachedBase());
  });
  after(() => builder.remove());

  it("stays open with any rules of nftables and iptables, and adds its own rules only once", async () => {
    assert.match(must(await builder.asRoot(firewalls)), /all good$/);
  });

  it("does not exist on every machine: with ordinary SSH, the step that changes logins is named before the next fails", async () => {
    const step = async (script: string) => {
      const program = renderProgram({
        ...{ title: "module hardening", script, awaitsBoot: true, keepsDoor: true },
        ...{ timeoutSeconds: 60, timeoutCure: "", failureCure: "" },
      });
      const outcome = await builder.ssh("exec sudo -n env SUDO_USER=debian SSH_CONNECTION=ordinary bash -s", program);
      must(outcome);
      return outcome.stderr;
    };
    assert.equal(await step("echo unrelated >/etc/motd"), "");
    const changes = `
      echo 'AllowUsers nobody' >/etc/ssh/sshd_config.d/test.conf
      chmod 0777 /home/debian
      echo 'Defaults!/usr/bin/true requiretty' >/etc/sudoers.d/test`;
    const said = await step(changes);
    assert.match(said, /module hardening has changed how people log in by SSH.*If the next step is refused/);
    assert.match(said, /^ {2}now: allowusers nobody$/m);
    assert.match(said, /^ {2}now: \/home\/debian is drwxrwxrwx, of debian$/m);
    assert.match(said, /^ {2}before: \/home\/debian is drwx/m);
    assert.match(said, /^ {2}now: sudo: .*tty/m);
    must(await builder.asRoot("chmod 0755 /home/debian; rm /etc/ssh/sshd_config.d/test.conf /etc/sudoers.d/test"));
  });

  it("lets the verification check people's logins if a recipe has moved, closed or broken sshd", async () => {
    const identity = { machineId: "0".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB me" };
    const check = verificationChecks(identity, "debian").find(({ what }) => what.startsWith("people can log in"))!;
    const look = (script: string) => builder.asRoot(`${script}\n${check.script}`);
    const configure = (line: string) =>
      `echo ${JSON.stringify(line)} >/etc/ssh/sshd_config.d/test.conf; systemctl reset-failed ssh.service; systemctl restart ssh.service`;
    const found = async (script: string, what: string) =>
      assert.equal(
        must(await look(script))
          .split("\n")
          .at(-1),
        `${findingMark}${what}`,
      );
    await found("true", "debian can log in at port 22");
    assert.equal(must(await builder.asRoot("wc -l <~debian/.ssh/authorized_keys")), "1");
    await found(configure("Port 2222"), "debian can log in at port 2222");
    await found(configure("PermitRootLogin no"), "debian can log in at port 22");
    await found(configure("AllowUsers debian other"), "debian can log in at port 22");
    const refusal = "debian can't log in at port 22, which the recipe or the base has set: allowusers nobody";
    await found(configure("AllowUsers nobody"), refusal);
    const elsewhere = "sshd answers at port 22; a login as debian was not tried: sshd reads keys from /etc/ssh/keys/%u";
    await found(configure("AuthorizedKeysFile /etc/ssh/keys/%u"), elsewhere);
    const deny = "sed -i.before '1i account required pam_deny.so' /etc/pam.d/sshd";
    const refused = await look(`${configure("# as it was")}; ${deny}`);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stdout, /debian can't log in at port 22; what sshd says:[^]*PAM/);
    const nologin = "mv /etc/pam.d/sshd.before /etc/pam.d/sshd; echo closed for good >/etc/nologin";
    const closed = await look(nologin);
    assert.notEqual(closed.exitCode, 0);
    assert.match(closed.stdout, /debian can't log in at port 22/);
    assert.match(closed.stderr, /closed for good/);
    assert.notEqual((await look("rm /etc/nologin; echo Nonsense >>/etc/ssh/sshd_config")).exitCode, 0);
    await found("systemctl disable --now ssh.service", "sshd is turned off");
    must(await builder.asRoot("sed -i /Nonsense/d /etc/ssh/sshd_config; systemctl enable --now ssh.service"));
  });

  it("gives people an ordinary session, or root's if their account allows no logins", async () => {
    assert.equal(
      must(await builder.ssh("echo $USER $HOME $PWD $(id -un) $(sudo -n id -un)")),
      "debian /home/debian /home/debian debian root",
    );
    assert.equal((await builder.ssh("exit 7")).exitCode, 7);
    must(await builder.asRoot("printf 'no sense\\nexport PLAIN=a=b\\nQUOTED=\"a b\"\\n' >>/etc/environment"));
    assert.equal(must(await builder.ssh('echo "$PLAIN $QUOTED"')), "a=b a b");
    must(await builder.asRoot("usermod --shell /usr/sbin/nologin debian"));
    const { stdout, stderr } = await builder.ssh("id -un");
    assert.equal(stdout, "root");
    assert.match(stderr, /debian can't log in on this machine; this is root/);
  });
});
