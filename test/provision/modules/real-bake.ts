// The module library on a real builder: every check fails before its module runs, passes after it, and still passes
// after a second run.
import assert from "node:assert/strict";
import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { execa } from "execa";
import { uploadPrefix } from "../../../provision/builder/builder-folders.ts";
import type { RecordingRoot } from "../../../provision/plan/root.ts";
import { must, RealBuilder, recorder } from "./real-builder.ts";
import { cachedBase } from "../../cached-base.ts";

const usersKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmoduletestmoduletestmoduletestmoduletest0 it's me";

/** Modules with settings. The order matters: sudo must exist before add_user's checks use it. */
const bake = (distribution: string): [module: string, settings?: unknown][] => [
  ["os_updates"],
  ["umask"],
  ["sudo"],
  ["bash_as_sh"],
  [
    "add_user",
    ["harlowja", { name: "builder", groups: ["docker"], sudo: false, ssh_keys: [usersKey], shell: "/bin/sh" }],
  ],
  ["install_packages", { apt: ["make", "rsync"], dnf: ["make"] }],
  ["install_debs", ["debs"]],
  ["install_rpms", ["rpms/ci-test-rpm-1.0-1.noarch.rpm"]],
  ["git"],
  // A version that the distribution has.
  ["java", { version: distribution === "debian12" ? 17 : 21 }],
  ["nginx"],
  ["known_hosts", [{ host: "git.example.com", keys: ["ssh-ed25519 AAAAC3Nza"] }]],
  ["slave_config"],
  ["idle_shutdown", { grace: "20min" }],
  [
    "files",
    [
      { path: "/etc/motd", content: "it's a worker\n", mode: "0640", owner: "root:adm" },
      { path: "/opt/tree", source: "tree", owner: "daemon:daemon" },
      { path: "/opt/script", source: "tree/inner/run.sh", mode: "0750" },
    ],
  ],
  ["run", [{ name: "it's a script", script: "echo ran >>/var/lib/ran" }, { source: "tree/inner/run.sh" }]],
];

/** Modules whose time is that of their packages' downloads. */
const ofPackages = ["os_updates", "install_packages", "git", "java", "nginx"];

/**
 * Declares the tests for a distribution.
 * @param isWhole Whether also for the modules that do little but install packages.
 */
export function bakeLibrary(distribution: string, isWhole: boolean): void {
  const record = recorder(distribution);
  const modules = bake(distribution).filter(([name]) => isWhole || !ofPackages.includes(name));
  describe(`modules on a real builder: ${distribution}`, function () {
    this.timeout("10m");
    let builder: RealBuilder;
    let folder: string;
    const roots: RecordingRoot[] = [];
    const checks = () => roots.flatMap((root) => root.checks);

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "ci-images-bake-"));
      await Promise.all([makeDeb(folder), makeRpm(folder), makeTree(folder)]);
      for (const [module, settings] of modules) roots.push(await record(module, settings, folder));
      builder = await RealBuilder.create(await cachedBase(distribution));
    });
    after(async () => {
      await builder?.remove();
      await rm(folder, { recursive: true, force: true });
    });

    it("have checks that all fail on an untouched builder", async () => {
      if (!isWhole) return await builder.expectAll("not ok", checks());
      // A fresh base has nothing to update, so give a package an old version and a half-installed state.
      must(
        await builder.asRoot(`cp /var/lib/dpkg/status /var/lib/dpkg/status.saved
      apt-get -q update
      sed -i '/^Package: tzdata$/,/^$/{s/^Version: .*/Version: 0/;s/^Status: .*/Status: install ok half-configured/}' /var/lib/dpkg/status`),
      );
      await builder.expectAll("not ok", checks());
      must(
        await builder.asRoot(
          "sed -i '/^Package: tzdata$/,/^$/s/^Status: .*/Status: install ok installed/' /var/lib/dpkg/status",
        ),
      );
    });

    it("pass their checks after they have run", async () => {
      for (const root of roots) await builder.apply(root);
      await builder.expectAll("ok", checks());
    });

    it("can run twice", async () => {
      for (const root of roots) await builder.apply(root);
      await builder.expectAll("ok", checks());
      assert.equal(
        must(await builder.asRoot("sort -u /var/lib/ran | tr '\\n' ' '; wc -l </var/lib/ran")).trim(),
        "from-a-file ran 4",
      );
      assert.equal(must(await builder.asRoot("grep -c AAAAC3Nza /usr/lib/ci-images/kept-authorized-keys")), "1");
    });

    it("umask: applies to SSH commands and login shells", async () => {
      assert.equal(must(await builder.ssh("umask")), "0022");
      assert.equal(must(await builder.ssh("bash --login -c umask")), "0022");
      assert.equal(must(await builder.ssh("touch /tmp/mine; stat -c %a /tmp/mine")), "644");
    });

    it("files: copies a folder to the given path, with modes, links, empty folders, capabilities and the owner", async () => {
      const found = must(await builder.asRoot("cd /opt/tree; find . -printf '%p %y %m %U:%G %l\\n' | LC_ALL=C sort"));
      assert.deepEqual(found.split("\n"), [
        ...[". d 755 1:1 ", "./dangling l 777 1:1 /no/where", "./empty d 700 1:1 "],
        ...[
          "./folder-link l 777 1:1 inner",
          "./inner d 2755 1:1 ",
          "./inner/first f 600 1:1 ",
          "./inner/run.sh f 755 1:1 ",
        ],
        ...[
          "./inner/second f 600 1:1 ",
          "./plain f 644 1:1 ",
          "./program f 4755 1:1 ",
          "./Ünïcödé and spaces f 644 1:1 ",
        ],
      ]);
      const links = must(await builder.asRoot("stat -c %h /opt/tree/inner/first; cat /opt/tree/inner/second"));
      assert.equal(links, "2\nonce");
      const capability = `python3 -c 'import os; print(os.getxattr("/opt/tree/program", "security.capability").hex())'`;
      assert.equal(must(await builder.asRoot(capability)), netRaw);
    });

    it("files: existing folders keep their owner and mode, and other files in them do not change", async () => {
      must(
        await builder.asRoot(
          "install -d -m 0750 -g daemon /srv/there; install -m 0640 -g daemon /dev/null /srv/there/other",
        ),
      );
      must(await builder.asRoot("mkdir /srv/real; ln -s /srv/real /srv/there/inner"));
      const root = await record("files", [{ path: "/srv/there", source: "tree", mode: "0400" }], folder);
      for (let run = 0; run < 2; run++) await builder.apply(root);
      await builder.expectAll("ok", root.checks);
      const found = must(
        await builder.asRoot("cd /srv; stat -c '%n %a %U:%G' there there/other there/plain real/first"),
      );
      assert.deepEqual(found.split("\n"), [
        ...[
          "there 750 root:daemon",
          "there/other 640 root:daemon",
          "there/plain 400 root:root",
          "real/first 400 root:root",
        ],
      ]);
      must(await builder.asRoot("chmod 0401 /srv/there/plain; rm /srv/there/dangling"));
      await builder.expectAll("not ok", root.checks);
      must(await builder.asRoot("rm -r /srv/there /srv/real"));
    });

    it("files: keeps modes and owners after other modules have run", async () => {
      const stats = must(
        await builder.asRoot("stat -c '%n %a %U' /opt/tree/inner/run.sh /opt/tree/plain /opt/script; cat /etc/motd"),
      );
      const expected = [
        "/opt/tree/inner/run.sh 755 daemon",
        "/opt/tree/plain 644 daemon",
        "/opt/script 750 root",
        "it's a worker",
      ];
      assert.deepEqual(stats.split("\n"), expected);
    });

    it("install_debs and install_rpms: accept files and folders, and can run again: package files stay until sealing", async () => {
      for (const root of [
        await record("install_rpms", ["rpms"], folder),
        await record("install_debs", ["debs/ci-test-deb_1.0_all.deb"], folder),
      ]) {
        await builder.apply(root);
        await builder.repeat(root);
      }
      const files = must(await builder.asRoot("find / -xdev -name '*.rpm' -o -xdev -name 'ci-test*.deb'")).split("\n");
      for (const file of files) assert.ok(file.startsWith(uploadPrefix), file);
      assert.equal(must(await builder.asRoot("cat /opt/ci-test-rpm /opt/ci-test-deb")), "from rpm\nfrom deb");
    });

    it("install_rpms: fails for a folder without rpm files", async () => {
      const root = await record("install_rpms", ["debs"], folder);
      await assert.rejects(builder.apply(root), /there is no rpm file at or beneath .*debs/);
    });

    if (isWhole) {
      it("install_rpms: uses dnf if it is installed", async () => {
        must(await builder.asRoot("rpm --erase ci-test-rpm && apt-get -q -y install --no-install-recommends dnf"));
        const root = await record("install_rpms", ["rpms"], folder);
        await builder.apply(root);
        must(await builder.asRoot("dnf --releasever=0 history info last | grep ci-test-rpm"));
        await builder.expectAll("ok", root.checks);
      });
    }

    it("idle_shutdown: distinguishes busy and idle workers, and never powers off a builder", async () => {
      assert.equal(must(await builder.asRoot("/usr/local/sbin/ci-idle-shutdown --look")), "idle");
      const agent = `systemd-run --quiet --unit=agent bash -c 'exec -a "java -jar agent.jar" sleep 600'; sleep 0.3`;
      assert.equal(
        must(await builder.asRoot(`${agent}; /usr/local/sbin/ci-idle-shutdown --look; systemctl stop agent`)),
        "busy",
      );
      must(await builder.asRoot("systemctl start ci-idle-shutdown.service; sleep 1"));
      assert.ok(await builder.isRunning());
    });

    it("idle_shutdown: powers an idle worker off", async () => {
      must(await builder.asRoot("rm -r /var/lib/ci-images"));
      await builder.asRoot("systemctl start --no-block ci-idle-shutdown.service; sleep 0.2");
      for (let look = 0; look < 100 && (await builder.isRunning()); look++) await wait(100);
      assert.ok(!(await builder.isRunning()));
    });
  });
}

/** The extended attribute's value for cap_net_raw, effective and permitted. */
const netRaw = "0100000200200000000000000000000000000000";

async function makeTree(folder: string): Promise<void> {
  const tree = join(folder, "tree");
  await mkdir(join(tree, "inner"), { recursive: true });
  await mkdir(join(tree, "empty"));
  await writeFile(join(tree, "plain"), "plain\n");
  await writeFile(join(tree, "Ünïcödé and spaces"), "");
  await writeFile(join(tree, "inner/run.sh"), "#!/bin/sh\necho from-a-file >>/var/lib/ran\n");
  await writeFile(join(tree, "inner/first"), "once\n");
  await link(join(tree, "inner/first"), join(tree, "inner/second"));
  await symlink("inner", join(tree, "folder-link"));
  await symlink("/no/where", join(tree, "dangling"));
  await writeFile(join(tree, "program"), "#!/bin/true\n");
  const modes: [string, number][] = [
    ["plain", 0o664],
    ["inner/run.sh", 0o755],
    ["inner/first", 0o600],
    ["program", 0o4755],
    ["empty", 0o700],
    ["inner", 0o2775],
    [".", 0o775],
  ];
  for (const [name, mode] of modes) await chmod(join(tree, name), mode);
  const set = `import os, sys; os.setxattr(sys.argv[1], "security.capability", bytes.fromhex("${netRaw}"))`;
  await execa("python3", ["-c", set, join(tree, "program")]);
}

async function makeDeb(folder: string): Promise<void> {
  const tree = join(folder, "deb-tree");
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  await mkdir(join(tree, "opt"));
  await mkdir(join(folder, "debs"));
  await writeFile(join(tree, "opt/ci-test-deb"), "from deb\n");
  const control =
    "Package: ci-test-deb\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDepends: patch\nDescription: a test\n";
  await writeFile(join(tree, "DEBIAN/control"), control);
  await execa("dpkg-deb", ["--root-owner-group", "--build", tree, join(folder, "debs/ci-test-deb_1.0_all.deb")]);
}

async function makeRpm(folder: string): Promise<void> {
  const spec = `Name: ci-test-rpm
Version: 1.0
Release: 1
Summary: a test
License: none
BuildArch: noarch
%description
A test.
%install
mkdir -p %{buildroot}/opt
echo "from rpm" >%{buildroot}/opt/ci-test-rpm
%files
/opt/ci-test-rpm
`;
  await writeFile(join(folder, "test.spec"), spec);
  const defines = [
    `_topdir ${join(folder, "rpmbuild")}`,
    `_rpmdir ${join(folder, "rpms")}`,
    "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
  ];
  await execa("rpmbuild", ["-bb", ...defines.flatMap((define) => ["--define", define]), join(folder, "test.spec")]);
}
