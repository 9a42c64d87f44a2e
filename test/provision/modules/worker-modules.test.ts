// The old workers' modules without a machine: refusals, and differences between distributions.
import assert from "node:assert/strict";
import { UserError } from "../../../common/user-error.ts";
import { Ajv } from "ajv";
import { findDistribution } from "../../../provision/distributions.ts";
import { libraryFolder, ModuleCatalogue } from "../../../provision/recipe/load-modules.ts";
import { RecordingRoot } from "../../../provision/plan/root.ts";

const catalogue = new ModuleCatalogue([libraryFolder]);

/** All scripts that a module records, as one text. @param more Additional keys of the recipe. */
async function script(module: string, settings: unknown, distribution: string, more: object = {}): Promise<string> {
  const file = await catalogue.load(module);
  const root = new RecordingRoot({
    module,
    distribution: findDistribution(distribution),
    folder: ".",
    requireSecret: () => {},
  });
  await file.modify(module, root, { ...more, ...(settings === undefined ? {} : { [module]: settings }) });
  return root.steps.map((step) => (step.kind === "script" ? step.script : "reboot")).join("\n");
}

const refuses = (module: string, settings: unknown, distribution: string, says: RegExp, more?: object) =>
  assert.rejects(
    script(module, settings, distribution, more),
    (error) => error instanceof UserError && says.test(error.message),
  );

/** Whether a value is valid by the module's schema. */
async function isRight(module: string, value: unknown): Promise<boolean> {
  const { settings } = await catalogue.load(module);
  return new Ajv({ strict: false }).validate(settings!, value);
}

const digest = "0".repeat(64);

describe("modules of the old workers", () => {
  it("repositories: knows the parts of each distribution, and lists them for an unknown part", async () => {
    await refuses("repositories", ["universe"], "debian12", /debian12 has no part "universe".*contrib, non-free/);
    await refuses("repositories", ["epel"], "ubuntu24.04", /ubuntu24\.04 has no part "epel".*universe/);
    await refuses("repositories", ["epel"], "amazonlinux2023", /amazonlinux2023 has no part "epel"; allowed: none/);
    await refuses("repositories", ["crb"], "centos7", /centos7 has no part "crb"; allowed: epel/);
    assert.match(await script("repositories", ["crb", "epel"], "rocky9"), /set-enabled crb[^]*install epel-release/);
    assert.match(await script("repositories", ["restricted"], "ubuntu22.04"), /ci-restricted\.sources/);
  });

  it("repositories: refuses a list without entries for the distribution, and apt's keys with dnf", async () => {
    await refuses("repositories", { apt: ["universe"] }, "rocky9", /no list for dnf/);
    const repository = { name: "a", url: "https://a.example.com", key: "-----BEGIN PGP PUBLIC KEY BLOCK-----" };
    await refuses("repositories", [{ ...repository, suites: ["b"] }], "rocky9", /suites or components/);
  });

  it("repositories: demands a key, and for a fetched key a checksum or fingerprint", async () => {
    const repository = { name: "a", url: "https://a.example.com" };
    const key_url = "https://a.example.com/key";
    assert.ok(!(await isRight("repositories", [repository])));
    assert.ok(!(await isRight("repositories", [{ ...repository, key_url }])));
    assert.ok(
      !(await isRight("repositories", [{ ...repository, key_url: "http://a.example.com/key", key_sha256: digest }])),
    );
    assert.ok(!(await isRight("repositories", [{ ...repository, key: "AAAA" }])));
    assert.ok(await isRight("repositories", [{ ...repository, key_url, key_sha256: digest }]));
    assert.ok(await isRight("repositories", [{ ...repository, key_url, key_fingerprint: "0".repeat(40) }]));
  });

  it("repositories: lets dnf check packages against the repository's key", async () => {
    const text = await script("docker", undefined, "rocky9");
    assert.match(text, /gpgcheck=1/);
    assert.match(text, /rpm --import \/etc\/pki\/rpm-gpg\/RPM-GPG-KEY-docker/);
    assert.match(text, /060A61C51B558A7F742B77AAC52FEB6B621E9F35/);
  });

  it("docker: creates the group with gid 55 and the login user before it installs packages", async () => {
    for (const distribution of ["debian12", "rocky9", "amazonlinux2023"]) {
      const text = await script("docker", undefined, distribution);
      const [group, users, packages] = ["groupadd --gid 55 docker", "--groups docker", " install "].map((each) =>
        text.lastIndexOf(each),
      );
      assert.ok(0 < group && group < users && users < packages, distribution);
    }
  });

  it("docker: uses the distribution's packages if it has any, or else Docker's own", async () => {
    assert.match(await script("docker", undefined, "ubuntu24.04"), /install --no-install-recommends docker\.io/);
    assert.match(await script("docker", undefined, "amazonlinux2023"), /install docker$/m);
    assert.match(await script("docker", undefined, "rocky9"), /install docker-ce/);
    assert.match(await script("docker", { packages: "upstream" }, "debian12"), /linux\/debian.*[^]*docker-ce/);
    await refuses("docker", { packages: "distribution" }, "rocky9", /rocky9 has no Docker; allowed: upstream/);
    await refuses("docker", { packages: "upstream" }, "amazonlinux2023", /no packages for amazonlinux2023/);
  });

  it("docker_images: refuses a recipe that lists docker after it", async () => {
    const modules = (...names: string[]) => ({ modules: names });
    await refuses("docker_images", ["a"], "debian12", /docker comes after/, modules("docker-images", "docker"));
    await script("docker_images", ["a"], "debian12", modules("docker", "docker_images"));
    await script("docker_images", ["a"], "debian12", modules("docker_images"));
  });

  it("selinux: is only for Red Hat's family, and reboots only to relabel files", async () => {
    await refuses("selinux", undefined, "debian12", /debian12 has no SELinux policy/);
    assert.doesNotMatch(await script("selinux", undefined, "rocky9"), /^reboot$/m);
    assert.match(await script("selinux", { relabel: true }, "rocky9"), /autorelabel[^]*^reboot$/m);
  });

  it("zfs: leaves kernel modules unstripped, and uses the testing repository only on request", async () => {
    assert.match(await script("zfs", undefined, "rocky9"), /zfsonlinux\.org\/epel\/\$releasever/);
    const testing = await script("zfs", { testing: true }, "rocky9");
    assert.match(testing, /zfsonlinux\.org\/epel-testing\/\$releasever/);
    assert.match(testing, /\/etc\/sysconfig\/\$module[^]*_DKMS_DISABLE_STRIP/);
    await refuses("zfs", { testing: true }, "debian12", /no testing repository/);
    await refuses("zfs", undefined, "amazonlinux2023", /no ZFS packages for amazonlinux2023/);
  });

  it("firewall: always keeps SSH open", async () => {
    assert.match(await script("firewall", { ports: [] }, "debian12"), /tcp dport 22 accept/);
    const jammy = await script("firewall", { ports: [] }, "ubuntu22.04");
    assert.match(jammy, /iifname "br-\*" accept/);
    assert.doesNotMatch(jammy, /\{[^}\n]*\*"[^}\n]*\}/, "nftables 1.0.2 has no wildcards in sets");
    assert.match(await script("firewall", { ports: [] }, "rocky9"), /<port port="22" protocol="tcp"\/>/);
    for (const wrong of ["80", "0/tcp", "80/icmp", "http/tcp"])
      assert.ok(!(await isRight("firewall", { ports: [wrong] })), wrong);
  });

  it("firewall: replaces the default zone on every distribution with firewalld", async () => {
    for (const distribution of ["rocky9", "centos-stream9", "centos7", "amazonlinux2023"])
      assert.match(await script("firewall", {}, distribution), /--set-default-zone=ci-worker/, distribution);
  });

  it("git: demands version and sha256 together", async () => {
    assert.ok(await isRight("git", { version: "2.47.1", sha256: digest }));
    assert.ok(!(await isRight("git", { version: "2.47.1" })) && !(await isRight("git", { sha256: digest })));
    assert.ok(!(await isRight("git", { version: "2.47.1", sha256: digest, url: "http://example.com/git.tar.gz" })));
  });

  it("path: accepts only absolute folders without characters special to shells or sudoers", async () => {
    for (const wrong of ["bin", "/a:/b", "/a b", "/a$(b)", '/a"', "/"])
      assert.ok(!(await isRight("path", [wrong])), wrong);
    assert.ok(await isRight("path", ["/opt/tool-1.0/bin"]));
  });

  it("wheel_cache: demands requirements or files, and refuses pip options", async () => {
    await refuses("wheel_cache", { user: "root" }, "debian12", /neither requirements nor files/);
    assert.ok(!(await isRight("wheel_cache", { requirements: ["--index-url=http://example.com"] })));
    assert.ok(await isRight("wheel_cache", { requirements: ["tox"] }));
  });

  it("with systemd units are refused without systemd", async () => {
    for (const module of ["docker", "firewall", "network_card_fix", "path"])
      await refuses(module, undefined, "ubuntu14.04", /ubuntu14\.04 starts services by upstart/);
  });
});
