// Sealing a real builder: dirty it, seal it, power it off, check what is left. Then dirty it again, to check that the
// assertions notice.
import assert from "node:assert/strict";
import { execa } from "execa";
import { rootView, type RootView } from "../../../components/local/provider/machine/machines.ts";
import { searchedTexts } from "../../../provision/seal/secret-patterns.ts";
import { assertSealedScript, packageListScript, sealScript } from "../../../provision/seal/seal.ts";
import { must, RealBuilder, record } from "../modules/real-builder.ts";
import { cachedBase } from "../../cached-base.ts";
import { plantScript, residues } from "./residue.ts";

const secret = "a-secret-of-the-bake";
const searched = `'${searchedTexts([secret]).join("\n")}'`;
const usersKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeptkeptkeptkeptkeptkeptkeptkeptkeptkeptkept me@example.com";

describe("sealing a builder", function () {
  this.timeout("5m");
  let builder: RealBuilder;
  let view: RootView & { dispose(): Promise<void> };

  before(async () => {
    builder = await RealBuilder.create(await cachedBase());
  });
  after(async () => {
    await view?.dispose();
    await builder?.remove();
  });

  const inBake = () => ({ bakeKeys: [builder.bakeKey], secretsFile: "/run/secrets-of-the-bake" });
  const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };

  async function offline(script: string): Promise<{ all: string; exitCode?: number }> {
    const [command, ...words] = [...view.enter, "bash", "-euo", "pipefail", "-s"];
    return await execa(command, words, { input: script, env: { ROOT: view.path }, all: true, reject: false });
  }

  it("lists the installed packages with their versions", async () => {
    const lines = must(await builder.asRoot(packageListScript))
      .trim()
      .split("\n");
    assert.ok(lines.length > 50);
    assert.ok(
      lines.every((line) => /^[a-z0-9][a-z0-9+.:-]*\t[0-9][^\t]*$/.test(line)),
      lines.join("\n"),
    );
    assert.ok(lines.some((line) => line.startsWith("systemd\t")));
  });

  it("finds everything that was planted before sealing", async () => {
    await builder.apply(await record("known_hosts", [{ host: "git.example.com", keys: ["ssh-ed25519 AAAAC3Nza"] }]));
    await builder.apply(await record("add_user", [{ name: "worker", sudo: false, ssh_keys: [usersKey] }]));
    await builder.apply(
      await record("files", [{ path: "/etc/ssl/private/kept.key", content: "meant\n", mode: "0600" }]),
    );
    must(
      await builder.asRoot(
        `${plantScript(residues.filter(({ isBases }) => isBases))}\nrm -r /var/lib/ci-images/record`,
      ),
    );
    await builder.settle();
    must(await builder.asRoot(plantScript(residues.filter(({ beyondRepair, isBases }) => !beyondRepair && !isBases))));
    must(await builder.asRoot(`install -m 0600 /dev/stdin /run/secrets-of-the-bake <<<${searched}`));
    // A program that sealing calls, which deletes an unrelated file.
    const greedy = "install -m 0755 /dev/stdin /usr/local/sbin/usermod";
    must(
      await builder.asRoot(
        `echo precious >/etc/precious\n${greedy} <<'END'\n#!/bin/sh\nrm -f /etc/precious\nexec /usr/sbin/usermod "$@"\nEND`,
      ),
    );
    const { all, exitCode } = await builder.asRoot(assertSealedScript(inBake()));
    assert.equal(exitCode, 1);
    for (const { id, finds } of residues.filter(({ beyondRepair }) => !beyondRepair)) assertFound(all, id, finds);
    assert.ok(!all.includes("kept.key") && !all.includes("/root/.ssh/known_hosts"), all);
  });

  it("removes it all, but fails for secrets in the recipe's files and for removals without a rule; prints no secret", async () => {
    const { all, exitCode } = await builder.asRoot(sealScript({ ...inBake(), image }));
    assert.equal(exitCode, 1);
    assert.deepEqual(
      all.split("\n").filter((line) => line.startsWith("not ok")),
      [
        "not ok - unnamed-removals: /etc/precious: is gone, and no rule of sealing names it (sealing takes only what this list names)",
        ...["auth.json", "old.log.gz", "settings.ini"].map(
          (name) =>
            `not ok - secret-values: /opt/tool/${name}: holds a secret of the bake (a secret that the bake was given lies in a file)`,
        ),
      ],
    );
    assert.ok(!all.includes(secret));
  });

  it("succeeds in its own SSH session on a clean builder", async () => {
    const other = await RealBuilder.create(await cachedBase());
    try {
      const options = { bakeKeys: [other.bakeKey], secretsFile: "/run/secrets-of-the-bake", image };
      must(await other.asRoot(`install -m 0600 /dev/stdin /run/secrets-of-the-bake <<<${searched}`));
      const output = must(await other.asRoot(sealScript(options)));
      assert.ok(output.split("\n").filter((line) => line.startsWith("ok - ")).length > 30, output);
      assert.equal((await other.ssh("true")).exitCode, 255);
    } finally {
      await other.remove();
    }
  });

  it("closes all logins", async () => {
    const { all, exitCode } = await builder.ssh("true");
    assert.equal(exitCode, 255, all);
    assert.match(all, /Permission denied|Connection (closed|reset)|kex_exchange/);
  });

  it("leaves no residue, not even after the power-off", async () => {
    await builder.stop();
    view = await rootView(builder.name);
    const { all, exitCode } = await offline(assertSealedScript({ bakeKeys: [builder.bakeKey] }));
    assert.deepEqual(
      all.split("\n").filter((line) => !line.startsWith("ok - ")),
      [],
    );
    assert.equal(exitCode, 0);
  });

  it("keeps what modules have installed on purpose", async () => {
    const { all } =
      await offline(`cd "$ROOT"; cat root/.ssh/known_hosts etc/ssl/private/kept.key home/worker/.ssh/authorized_keys
      ls -d var/log/journal; stat -c %a etc/ssl/private/kept.key; grep IMAGE_ usr/lib/os-release; cat etc/ci-images.json`);
    for (const kept of [
      "git.example.com ssh-ed25519",
      "meant",
      usersKey,
      "600",
      "IMAGE_ID=worker",
      "IMAGE_VERSION=0123456789ab",
    ])
      assert.ok(all.includes(kept), `${kept} is missing in ${all}`);
    assert.match(all, /"packagesSha256": "[0-9a-f]{64}",\s+"sealedAt": "20\d\d-/);
  });

  it("restores the base's resolv.conf and local host names", async () => {
    const { all } = await offline(
      `readlink "$ROOT/etc/resolv.conf"; grep -cw localhost "$ROOT/etc/hosts"; ls "$ROOT/etc/hostname" 2>&1 || true`,
    );
    assert.match(all, /^\.\.\/run\/systemd\/resolve\/stub-resolv\.conf\n[1-9]\n.*No such file/);
  });

  it("finds residue of every checklist line on the stopped root", async () => {
    const planting = await offline(
      `${plantScript(residues)}\ninstall -m 0600 /dev/stdin "$ROOT/../secrets" <<<${searched}`,
    );
    assert.equal(planting.exitCode, 0, planting.all);
    const { all, exitCode } = await offline(
      assertSealedScript({ bakeKeys: [builder.bakeKey], secretsFile: `${view.path}/../secrets` }),
    );
    assert.equal(exitCode, 1);
    for (const { id, finds } of residues) assertFound(all, id, finds);
  });

  it("finds the bake's own key even in files that are kept", async () => {
    const { exitCode } =
      await offline(`echo ${JSON.stringify(builder.bakeKey)} >>"$ROOT/home/worker/.ssh/authorized_keys"
      echo ${JSON.stringify(builder.bakeKey)} >>"$ROOT/usr/lib/ci-images/kept-authorized-keys"
      echo /home/worker >>"$ROOT/usr/lib/ci-images/kept-paths"`);
    assert.equal(exitCode, 0);
    const { all } = await offline(assertSealedScript({ bakeKeys: [builder.bakeKey] }));
    assertFound(all, "authorized-keys", "/home/worker/.ssh/authorized_keys: 1 key");
  });
});

function assertFound(output: string, id: string, finds: string): void {
  const found = output.split("\n").some((line) => line.startsWith(`not ok - ${id}: `) && line.includes(finds));
  assert.ok(found, `${id} did not find ${finds}:\n${output}`);
}
