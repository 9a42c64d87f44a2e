// The sealing checklist is complete and renders sound scripts.
import assert from "node:assert/strict";
import { execa } from "execa";
import { sha256 } from "../../../provision/plan/digest.ts";
import { checklist } from "../../../provision/seal/checklist.ts";
import { assertSealedScript, packageListScript, sealScript, sealVersion } from "../../../provision/seal/seal.ts";
import { sealingDocs } from "../../../scripts/write-sealing-docs.ts";
import { residues } from "./residue.ts";

/** Demands on a sealed image, the union of all known cleaners' demands, each with the checklist lines that meet it. */
const demands: Readonly<Record<string, string[]>> = {
  "initialised machine-id": ["machine-id"],
  "SSH host keys, the pinned one included": ["ssh-host-keys"],
  "saved random seeds": ["random-seed"],
  "credential.secret": ["credential-secret"],
  "hostname, machine-info, hosts entries, resolv.conf": ["host-names", "resolv-conf"],
  "network settings bound to a card": ["network-identity"],
  "DHCP leases and client ids": ["dhcp-leases"],
  "LVM devices file, blkid caches": ["storage-ids"],
  "subscriptions, keytabs, Samba and SSSD databases": ["registrations"],
  "agents' identities": ["agent-identities"],
  "GCE's instance id": ["gce-state"],
  "authorized_keys of every account": ["authorized-keys"],
  "private keys, known_hosts, agent sockets": ["user-keys"],
  "the build user, sudoers drop-ins": ["build-sudoers"],
  "passwords and their backups": ["password-hashes", "account-backups"],
  "sshd settings loosened": ["sshd-loosened"],
  "cloud credentials and tokens": ["cloud-credentials"],
  "environment files with secrets, proxies with passwords": ["environment-secrets"],
  "cloud-init's instance data and logs, its state": ["cloud-init", "logs"],
  "the recipe's temporary files": ["recipe-files"],
  "TLS private keys": ["tls-keys"],
  "keys that packages make when they are installed": ["service-keys"],
  "the secrets themselves": ["secret-values"],
  histories: ["histories"],
  "logs and login records": ["logs", "login-records"],
  "crash data": ["crash-data"],
  "mail, at and cron": ["spools"],
  "temporary files, editor backups, swap": ["temporary-files", "editor-backups", "swap"],
  "package caches and histories": ["package-caches"],
  "build-only services, held packages": ["build-services", "held-packages"],
  "the bake's own way in": ["build-door"],
  "build-only firewall rules": ["build-firewall"],
  "lost free space": ["free-space"],
  "IMAGE_ID and a manifest": ["image-id", "manifest"],
  "host keys made on first boot": ["host-key-generation"],
  "cloud agent and grow-root": ["cloud-agent", "grow-root"],
};

const options = {
  bakeKeys: ["ssh-ed25519 AAAAC3Nza bake's key"],
  builderName: "it's a builder",
  secretsFile: "/run/secrets of the bake",
  image: { name: "Jenkins' worker", recipe: "0123456789abcdef", base: { id: "x", description: 'Debian "12"' } },
  keep: ["/etc/it's kept"],
  keepKeys: ["ssh-ed25519 AAAAC3Nzb $(touch /tmp/no)"],
  temporaryUsers: ["packer"],
  zeroFreeSpace: true,
};

describe("the sealing checklist", () => {
  it("has lines for every demand, and no others", () => {
    assert.deepEqual(new Set(Object.values(demands).flat()), new Set(checklist.map(({ id }) => id)));
    assert.equal(new Set(checklist.map(({ id }) => id)).size, checklist.length);
  });

  it("gives a reason and a source for every line", () => {
    for (const { id, reason, source } of checklist) assert.ok(reason.length > 10 && source.length > 5, id);
  });

  it("asserts every line except free space, and the tests have residue for each of these", () => {
    const asserted = checklist
      .filter(({ paths, leftovers, credentials, assert: own }) => paths ?? leftovers ?? credentials ?? own)
      .map(({ id }) => id);
    assert.deepEqual(new Set([...asserted, "free-space"]), new Set(checklist.map(({ id }) => id)));
    assert.deepEqual(new Set(residues.map(({ id }) => id)), new Set(asserted));
  });

  for (const [name, script] of Object.entries({
    seal: sealScript(options),
    assertions: assertSealedScript(options),
    "package list": packageListScript,
  }))
    it(`renders a ${name} script that passes shellcheck`, async () => {
      const { stdout } = await execa("shellcheck", ["--shell=bash", "--severity=warning", "-"], {
        input: script,
        reject: false,
      });
      assert.equal(stdout, "");
    });

  it("writes only characters that os-release allows into IMAGE_ID and IMAGE_VERSION", () => {
    assert.match(sealScript(options), /^printf '%s\\n' IMAGE_ID=jenkins--worker IMAGE_VERSION=0123456789ab >>/m);
  });

  it("says in its first rule which places are emptied whoever filled them", async () => {
    // Not logs, which the rule's first sentence has.
    const words: Readonly<Record<string, RegExp>> = {
      "crash-data": /crash dumps/,
      spools: /spools/,
      "editor-backups": /backups .* editors and package managers/,
      swap: /hibernation/,
      "package-caches": /caches, .* of package managers/,
      histories: /histories of shells/,
      "temporary-files": /`\/tmp` and `\/var\/tmp`/,
      "login-records": /login records/,
      "account-backups": /of the account files/,
      registrations: /Samba's databases/,
    };
    const traces = checklist.filter(({ group, paths, id }) => group === "traces" && paths && id !== "logs");
    for (const { id } of traces) assert.ok(id in words, id);
    const rule = /^1\. [^]*?(?=^2\. )/m.exec(await sealingDocs())![0].replaceAll(/\s+/g, " ");
    for (const [id, pattern] of Object.entries(words)) assert.match(rule, pattern, id);
    assert.match(rule, /keep it elsewhere/);
  });

  it("has a version that is chosen anew or kept on purpose whenever the script changes", () => {
    const script = sealScript({ bakeKeys: [], image: { name: "", recipe: "", base: { id: "", description: "" } } });
    const seen = { sealVersion, digest: sha256(script) };
    const cure = "read the comment of sealVersion, choose a version or keep it, and then write the digest here";
    assert.deepEqual(
      seen,
      { sealVersion: "14738001fdfed50b", digest: "c9e1a01312590eb51504b37c9a97f942a196875d38893654c1fabb974d093394" },
      cure,
    );
  });
});
