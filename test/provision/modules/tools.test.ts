// Toolchains, agents and machine settings without a machine: refusals, download addresses, and secrets.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { UserError } from "../../../common/user-error.ts";
import { Ajv } from "ajv";
import { findDistribution } from "../../../provision/distributions.ts";
import { libraryFolder, ModuleCatalogue } from "../../../provision/recipe/load-modules.ts";
import { RecordingRoot } from "../../../provision/plan/root.ts";
import { secretText } from "../../../provision/shell/secret-text.ts";
import { quote } from "../../../provision/shell/shell.ts";
import { inNamespace } from "../bash.ts";

const catalogue = new ModuleCatalogue([libraryFolder]);
const sha256 = "a".repeat(64);

async function record(module: string, settings: unknown, distribution = "debian12"): Promise<RecordingRoot> {
  const root = new RecordingRoot({
    module,
    distribution: findDistribution(distribution),
    folder: ".",
    requireSecret: () => {},
  });
  await (await catalogue.load(module)).modify(module, root, { [module]: settings });
  return root;
}

const scriptOf = (root: RecordingRoot) =>
  root.steps.map((step) => (step.kind === "script" ? step.script : "")).join("");

const refuses = (module: string, settings: unknown, says: RegExp, distribution?: string) =>
  assert.rejects(
    record(module, settings, distribution),
    (error) => error instanceof UserError && says.test(error.message),
  );

async function accepts(module: string, settings: unknown): Promise<boolean> {
  const file = await catalogue.load(module);
  return new Ajv({ strict: false }).validate(file.settings ?? {}, settings);
}

describe("toolchains and agents", () => {
  const upstream: [module: string, settings: object, x86: string, arm: string][] = [
    ["node", { version: "22.11.0" }, "nodejs.org/dist/v22.11.0/node-v22.11.0-linux-x64.tar.gz", "-arm64.tar.gz"],
    ["go", { version: "1.23.3" }, "go.dev/dl/go1.23.3.linux-amd64.tar.gz", "-arm64.tar.gz"],
    [
      "rust",
      { version: "1.82.0" },
      "static.rust-lang.org/dist/rust-1.82.0-x86_64-unknown-linux-gnu.tar.gz",
      "-aarch64-unknown",
    ],
    [
      "python",
      { version: "3.12.13", release: "20260610" },
      "python-build-standalone/releases/download/20260610/cpython-3.12.13%2B20260610-x86_64-unknown-linux-gnu-install_only.tar.gz",
      "-aarch64-unknown",
    ],
    [
      "github_runner",
      { version: "2.321.0" },
      "runner/releases/download/v2.321.0/actions-runner-linux-x64-2.321.0.tar.gz",
      "-arm64-",
    ],
    ["gitlab_runner", { version: "17.5.0" }, "/v17.5.0/binaries/gitlab-runner-linux-amd64", "-arm64"],
    [
      "buildkite_agent",
      { version: "3.87.1" },
      "agent/releases/download/v3.87.1/buildkite-agent-linux-amd64-3.87.1.tar.gz",
      "-arm64-",
    ],
  ];

  for (const [module, settings, x86, arm] of upstream) {
    it(`${module}: is fetched from upstream for the right architecture, or from the recipe's mirror`, async () => {
      assert.ok(scriptOf(await record(module, { ...settings, sha256 })).includes(x86));
      const forArm = scriptOf(await record(module, { ...settings, sha256, architecture: "aarch64" }));
      assert.ok(forArm.includes(arm) && forArm.includes(`"$(uname -m)" != aarch64`), forArm);
      const mirrored = scriptOf(await record(module, { ...settings, sha256, url: "https://mirror.example.com/a b" }));
      assert.ok(mirrored.includes("-- 'https://mirror.example.com/a b'") && !mirrored.includes(x86));
    });

    it(`${module}: demands a sha256, an https address and a full version`, async () => {
      assert.ok(await accepts(module, { ...settings, sha256 }));
      for (const wrong of [
        settings,
        { ...settings, sha256: "abc" },
        { ...settings, sha256, url: "http://mirror.example.com/" },
        { ...settings, sha256, version: "latest" },
        { ...settings, sha256, version: "1.2.3; reboot" },
      ])
        assert.ok(!(await accepts(module, wrong)), JSON.stringify(wrong));
    });
  }

  it("are refused if a version is listed twice, and for Python also if only the patch version differs", async () => {
    await refuses(
      "node",
      [
        { version: "22.11.0", sha256 },
        { version: "22.11.0", sha256 },
      ],
      /node\[1\]\.version: 22\.11\.0 is in the list twice/,
    );
    const python = ["3.12.1", "3.11.1", "3.12.2"].map((version) => ({ version, sha256, release: "20260610" }));
    await refuses("python", python, /python\[2\]\.version: 3\.12 is in the list twice, first as python\[0\]/);
  });

  it("are refused without systemd if they are agents, and so is swap", async () => {
    for (const module of ["github_runner", "gitlab_runner", "buildkite_agent"])
      await refuses(module, { version: "1.2.3", sha256 }, /ubuntu14\.04 starts services by upstart/, "ubuntu14.04");
    await refuses("swap", { size: "1G" }, /upstart/, "ubuntu14.04");
  });
});

describe("machine settings", () => {
  it("timezone: refuses an unknown zone and suggests the nearest name", () =>
    refuses("timezone", "Europe/Berln", /no time zone "Europe\/Berln".*did you mean "Europe\/Berlin"/));

  it("swap: demands a size in whole MiB", () =>
    refuses("swap", { size: "0.0001M" }, /swap\.size: "0\.0001M" is not a size/));

  it("ca_certificates: refuses invalid certificates, several in one entry, and duplicate names", async () => {
    const { settings } = await catalogue.load("ca_certificates");
    const list = (
      settings as { properties: { certificates: { items: { properties: { content: { examples: string[] } } } } } }
    ).properties.certificates;
    const content = list.items.properties.content.examples[0] ?? "";
    await record("ca_certificates", { certificates: [{ name: "a", content }] });
    const refusesContent = (wrong: string, says: RegExp) =>
      refuses("ca_certificates", { certificates: [{ name: "a", content: wrong }] }, says);
    await refusesContent(content.replace("MII", "AAA"), /certificates\[0\]\.content: not a certificate/);
    await refusesContent(`${content}${content}`, /not one certificate/);
    await refusesContent("", /not one certificate/);
    const twice = {
      certificates: [
        { name: "a", content },
        { name: "a", content },
      ],
    };
    await refuses("ca_certificates", twice, /certificates\[1\]\.name: two certificates have the name "a"/);
  });

  it("limits: apply to root and services too, unless they are for one user", async () => {
    const all = scriptOf(await record("limits", [{ limit: "memlock", soft: 64, hard: "unlimited" }]));
    for (const line of ["* soft memlock 64", "root hard memlock unlimited", "DefaultLimitMEMLOCK=64K:infinity"])
      assert.ok(all.includes(line), all);
    const one = scriptOf(await record("limits", [{ limit: "nofile", user: "me", soft: 1, hard: 2 }]));
    assert.ok(
      one.includes("me hard nofile 2") &&
        !/root|DefaultLimit/.test(one.replaceAll("root:root", "").replaceAll("-o root -g root", "")),
      one,
    );
  });

  it("install_packages: on Red Hat's family, checks names with an architecture or a version, and patterns, as rpm can", async () => {
    // What rpm 4.18 prints and exits with, for an installed glibc-devel 2.34 that provides glibc-headers.
    const rpm = `rpm() {
  case "$*" in
  "--quiet -q "glibc-devel | "--quiet -q "glibc-devel.x86_64 | "--quiet -q "glibc-devel-2.34) ;;
  "--quiet -q --whatprovides "glibc-devel | "--quiet -q --whatprovides "glibc-headers) ;;
  "-qa glibc-dev*") echo glibc-devel-2.34-1.x86_64 ;;
  -qa*) ;;
  *) return 1 ;;
  esac
}`;
    const passing = ["glibc-devel", "glibc-devel.x86_64", "glibc-devel-2.34", "glibc-headers", "glibc-dev*"];
    for (const name of [...passing, "nginx", "glibc-devel.i686", "glibc-devel-2.35", "nginx*"]) {
      const { checks } = await record("install_packages", { dnf: [name] }, "rocky9");
      const { exitCode } = await inNamespace(`${rpm}\n( ${checks[0].script}\n )`);
      assert.equal(exitCode === 0, passing.includes(name), name);
    }
  });

  it("path: passes its check for logins if the user's own folders come first, and no other folder does", async () => {
    const { checks } = await record("path", ["/opt/tools/bin"]);
    const paths: [path: string, passes: boolean][] = [
      ["/opt/tools/bin:/usr/bin", true],
      ["/home/debian/.local/bin:/home/debian/bin:/opt/tools/bin:/usr/bin", true],
      ["/usr/bin:/opt/tools/bin", false],
      ["/home/debian/bin:/usr/bin:/opt/tools/bin", false],
      ["/home/debian/bin", false],
    ];
    for (const [path, passes] of paths) {
      const machine = [
        "mount -t tmpfs tmpfs /etc/profile.d; touch /etc/profile.d/zz-ci-path.sh",
        "getent() { echo debian:x:1000:1000::/home/debian:/bin/bash; }",
        `env() { printf %s ${path}; }`,
      ].join("\n");
      const { exitCode } = await inNamespace(`${machine}\n( ${checks[0].script}\n )`);
      assert.equal(exitCode === 0, passes, path);
    }
  });

  it("limits: refuse what the kernel doesn't accept", async () => {
    const nofile = { limit: "nofile", soft: 65536, hard: "unlimited" };
    await refuses("limits", [nofile], /limits\[0\].*nofile: unlimited.*fs\.nr_open.*hard: 1048576/s);
    const reversed = { limit: "nproc", soft: 10, hard: 5 };
    await refuses("limits", [nofile, reversed].slice(1), /limits\[0\].*soft: 10, hard: 5.*at most hard/s);
    await refuses("limits", [{ limit: "core", soft: "unlimited", hard: 0 }], /soft: unlimited, hard: 0/);
  });

  it("files: know an owner by name and by number", async () => {
    const file = { path: "/srv/ci-images-test/file", content: "text\n" };
    const owners: [owner: string, given: string, passes: boolean][] = [
      ["1000:12345", "1000:12345", true],
      ["root:12345", "0:12345", true],
      ["0:0", "0:0", true],
      ["1000:12345", "1000:54321", false],
      ["daemon:root", "0:0", false],
    ];
    for (const [owner, given, passes] of owners) {
      const { checks } = await record("files", [{ ...file, owner }]);
      const put = `mount -t tmpfs tmpfs /srv; mkdir ${dirname(file.path)}; cd ${dirname(file.path)}`;
      const script = `${put}; echo text >file; chown ${given} file; chmod 0644 file; ( ${checks[0].script}\n )`;
      assert.equal((await inNamespace(script)).exitCode === 0, passes, owner);
    }
  });

  it("environment: refuses a secret, and marks no line of harmless variables", async () => {
    await refuses("environment", { API_TOKEN: secretText("TOKEN") }, /environment\.API_TOKEN: a secret would be in/);
    assert.doesNotMatch(scriptOf(await record("environment", { ImageOS: "debian12" })), /kept-lines/);
    assert.match(scriptOf(await record("environment", { API_TOKEN: "abc" })), /kept-lines/);
  });

  it("proxy: demands keep_secret and a user name for a password", async () => {
    const http = "http://proxy.example.com:3128";
    await refuses(
      "proxy",
      { http, username: "ci", password: "x" },
      /proxy\.password: anyone who boots.*keep_secret: true/,
    );
    assert.ok(!(await accepts("proxy", { http, password: "x", keep_secret: true })));
    assert.ok(!(await accepts("proxy", { http: "http://me:secret@proxy.example.com" })));
    assert.ok(!(await accepts("proxy", { http: "http://proxy.example.com/$(reboot)" })));
  });

  it("proxy: can't configure all services on CentOS 7, and says what to do", async () => {
    const http = "http://proxy.example.com:3128";
    await refuses(
      "proxy",
      { http },
      /proxy\.services: centos7 has no setting for all.*set proxy\.services to false/,
      "centos7",
    );
    assert.match(scriptOf(await record("proxy", { http, services: false }, "centos7")), /\/etc\/yum\.conf/);
  });

  it("proxy: reads a secret password or address when the script runs, and escapes special characters", async () => {
    const settings = {
      http: secretText("ADDRESS"),
      username: "me",
      password: secretText("PASSWORD"),
      keep_secret: true,
    };
    const root = await record("proxy", {
      ...settings,
      packages: false,
      environment: false,
      services: false,
      docker: false,
    });
    assert.deepEqual([...root.secrets].sort(), ["ADDRESS", "PASSWORD"]);
    // Only run the first piece, which writes the file: the namespace does not isolate the rest.
    const script = scriptOf(root).replace(/\n\)\n+\(\ncd [^]*/, "\n)\n");
    const run = (address: string) =>
      inNamespace(`set -euo pipefail
mkdir -p /run/ci-images/secrets
mount -t tmpfs tmpfs /etc
printf '%s' ${quote(address)} >/run/ci-images/secrets/ADDRESS
printf '%s' ${quote("p@ss/w:ö%'\"$(x)")} >/run/ci-images/secrets/PASSWORD
${script}
stat -c %a /etc/proxy.env
cat /etc/proxy.env`);
    const { stdout, stderr } = await run("https://proxy.example.com:3128");
    assert.match(
      String(stdout),
      /^600\nhttp_proxy=https:\/\/me:p%40ss%2Fw%3A%C3%B6%25%27%22%24%28x%29@proxy\.example\.com:3128\nhttps_proxy=/,
      String(stderr),
    );
    const wrong = await run("http://proxy.example.com/`id`");
    assert.notEqual(wrong.exitCode, 0);
    assert.match(String(wrong.stderr), /a proxy's address has the form http:\/\/host:port/);
  });
});
