// Sealing without systemd: Ubuntu 14.04 starts by upstart. Seals a Debian root that has no systemd, with processes of its
// own.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordScript } from "../../../provision/seal/scripts.ts";
import { sealScript } from "../../../provision/seal/seal.ts";
import { quote } from "../../../provision/shell/shell.ts";
import { inNamespace } from "../bash.ts";
import { cachedBase } from "../../cached-base.ts";

describe("sealing a machine without systemd", function () {
  this.timeout(240_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-upstart-"));
  });
  after(() => rm(folder, { recursive: true }));

  // A module's part: a service key, and a process that goes on.
  const modules = `\
install -m 0755 /dev/null /usr/sbin/mungekey
install -D -m 0400 /dev/stdin /etc/munge/munge.key <<<secret
setsid sh -c 'while :; do echo stray >>/var/log/stray.log; sleep 0.1; done' </dev/null >/dev/null 2>&1 &
`;
  const report = `\
set +e
echo "== $(cat /etc/munge/munge.key) $(ls /run/systemd /etc/systemd/system/ci-images* /usr/lib/ci-images/after-stop /var/log/stray.log 2>/dev/null | wc -l)"
`;

  /** Seals the root. @returns what it says, standard error included, and the report at the end. */
  async function seal(): Promise<string> {
    const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };
    const scripts = [recordScript, modules, sealScript({ bakeKeys: [], image }), report];
    // Each is a process, as in a bake. The first process of the namespace takes no part.
    const steps = scripts.map((script) => `printf %s ${quote(script)} | bash -euo pipefail -s 2>&1`).join(" && ");
    const inside = `rm /usr/bin/systemctl\n${steps}\n`;
    const { stdout, stderr } = await inNamespace(`set -eu
mount -t tmpfs tmpfs ${quote(folder)}
cd ${quote(folder)}
mkdir upper work root
mount -t overlay overlay -o lowerdir=${quote(await cachedBase())},upperdir=upper,workdir=work root
cat >inside <<'END_OF_SCRIPT'
${inside}END_OF_SCRIPT
exec unshare --pid --fork --mount bash -s <<'END'
cd root
mount -t tmpfs tmpfs run
mount -t proc proc proc
mount --rbind /dev dev
# This computer's own.
mount --bind /dev/null proc/swaps
cp ../inside inside
chroot . /bin/bash -c 'bash -euo pipefail /inside; exit $?'
exit $?
END`);
    return `${String(stdout)}\n${String(stderr)}`;
  }

  it("removes what it must without systemd's help, and leaves keys that nothing would make again", async () => {
    const output = await seal();
    assert.doesNotMatch(output, /^not ok|systemctl/m, output);
    assert.match(output, /^ok - quiet$[^]*^ok - logs$/m);
    assert.match(output, /ending process (sh|sleep) /);
    assert.match(output, /^\/etc\/munge\/munge\.key stays and is the same on all workers/m);
    assert.match(output, /^== secret 0$/m);
  });
});
