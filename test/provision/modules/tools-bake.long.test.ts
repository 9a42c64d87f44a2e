// Toolchains, agents and machine settings on a real builder: every check fails before its module runs, passes after it,
// and still passes after a second run. The real scripts fetch fake releases over https from the test's own server.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordingRoot } from "../../../provision/plan/root.ts";
import { assertSealedScript } from "../../../provision/seal/seal.ts";
import { must, RealBuilder, record } from "./real-builder.ts";
import { Releases } from "./releases.ts";
import { cachedBase } from "../../cached-base.ts";

const password = "it's a p@ss/wörd%";

/** Modules with their settings. The proxy is last, because it does not serve package mirrors. */
function bake(releases: Releases): [module: string, settings: unknown][] {
  return [
    ["ca_certificates", { certificates: [{ name: "test-root", content: releases.authority }], environment: true }],
    [
      "node",
      [
        { version: "22.11.0", ...releases.of("node-22.11.0") },
        { version: "20.18.1", ...releases.of("node-20.18.1") },
      ],
    ],
    ["go", { version: "1.23.3", ...releases.of("go") }],
    ["rust", { version: "1.82.0", ...releases.of("rust") }],
    [
      "python",
      [
        { version: "3.12.13", release: "20260610", ...releases.of("python-3.12.13") },
        { version: "3.10.20", release: "20260610", ...releases.of("python-3.10.20") },
      ],
    ],
    ["github_runner", { version: "2.321.0", groups: ["docker"], ...releases.of("github") }],
    ["gitlab_runner", { version: "17.5.0", ...releases.of("gitlab") }],
    ["buildkite_agent", { version: "3.87.1", ...releases.of("buildkite") }],
    ["swap", { size: "1.5G", swappiness: 10 }],
    ["sysctl", { "vm.max_map_count": 262144, "net.ipv4.ip_local_port_range": "1024 65000" }],
    [
      "limits",
      [
        { limit: "nofile", soft: 2048, hard: 4096 },
        { limit: "core", soft: 64, hard: "unlimited" },
        { limit: "cpu", soft: 90, hard: 120 },
        { limit: "nproc", user: "@builders", soft: 4096, hard: 8192 },
        { limit: "memlock", user: "games", soft: 77, hard: 99 },
      ],
    ],
    ["timezone", "Europe/Berlin"],
    ["proxy", { http: "http://127.0.0.1:3128", username: "ci", password, keep_secret: true }],
  ];
}

describe("toolchains, agents and machine settings on a real builder", function () {
  this.timeout("10m");
  let builder: RealBuilder;
  let folder: string;
  let releases: Releases;
  const roots: RecordingRoot[] = [];
  const checks = () => roots.flatMap((root) => root.checks);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-tools-"));
    releases = await Releases.make(folder);
    for (const [module, settings] of bake(releases)) roots.push(await record(module, settings, folder));
    builder = await RealBuilder.create(await cachedBase());
    await releases.serveIn(builder);
  });
  after(async () => {
    await builder?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("have checks that all fail on an untouched builder", async () => {
    await builder.expectAll("not ok", checks());
  });

  it("pass their checks after they have run", async () => {
    for (const root of roots) await builder.apply(root);
    await builder.expectAll("ok", checks());
  });

  it("can run twice, and fetch nothing the second time", async () => {
    must(await builder.asRoot("systemctl stop releases"));
    for (const root of roots) await builder.apply(root);
    await builder.expectAll("ok", checks());
    must(await builder.asRoot("systemctl reset-failed releases 2>/dev/null || true"));
  });

  it("leave no downloads behind", async () => {
    assert.equal(must(await builder.asRoot("ls -A /var/tmp | grep ci-images-download || true")), "");
  });

  it("toolchains: put the first version on PATH for SSH logins, and install the others beside it", async () => {
    const commands = [
      "node --version",
      "/opt/node/20.18.1/bin/node --version",
      "go version",
      "cargo --version",
      "python3.12 --version",
      "pip3.10 --version",
      "npm config get prefix",
      "python3 -c 'print(1)'",
    ];
    const { stdout } = await builder.ssh(commands.join("; "));
    assert.deepEqual(stdout.split("\n"), [
      "v22.11.0",
      "v20.18.1",
      "go version go1.23.3 linux/amd64",
      "cargo 1.82.0 (8f40fc59f 2024-08-21)",
      "Python 3.12.13",
      "pip of 3.10.20",
      "prefix=/usr/local",
      "1",
    ]);
  });

  it("refuse a wrong download, a missing one, another architecture and an untrusted server", async () => {
    must(await builder.asRoot("systemctl reset-failed releases 2>/dev/null || true"));
    const other = await RealBuilder.create(await cachedBase());
    try {
      await releases.serveIn(other);
      await other.apply(
        await record("ca_certificates", { certificates: [{ name: "a", content: releases.authority }] }),
      );
      const { url, sha256 } = releases.of("go");
      const wrong = await record("go", { version: "1.23.3", url, sha256: "0".repeat(64) });
      await assert.rejects(other.apply(wrong), new RegExp(`its sha256 is ${sha256}`));
      const missing = await record("go", { version: "1.23.3", url: `${url}-missing`, sha256 });
      await assert.rejects(other.apply(missing), /404/);
      const foreign = await record("go", { version: "1.23.3", url, sha256, architecture: "aarch64" });
      await assert.rejects(other.apply(foreign), /the recipe asks for aarch64/);
      assert.equal(must(await other.asRoot("ls /opt /usr/local/bin")).includes("go"), false);
      // An interrupted installation is repeated; a sha256 in capitals is accepted.
      must(await other.asRoot("mkdir -p /opt/go/1.23.3/bin; echo half >/opt/go/1.23.3/bin/go"));
      const right = await record("go", { version: "1.23.3", url, sha256: sha256.toUpperCase() });
      await other.apply(right);
      await other.expectAll("ok", right.checks);
      // Without the certificate authority, the builder does not trust the server.
      must(await other.asRoot("rm /usr/local/share/ca-certificates/a.crt; update-ca-certificates --fresh"));
      await assert.rejects(
        other.apply(await record("rust", { version: "1.82.0", ...releases.of("rust") })),
        /certificate/,
      );
    } finally {
      await other.remove();
    }
  });

  it("agents: register with a token from standard input, then run as their own user, also after a reboot", async () => {
    const line = "--url https://ci.example.com --name 'a b'";
    const register = (name: string, words: string) => `echo a-token | register-${name} ${words} </dev/stdin\n`;
    must(
      await builder.asRoot(
        register("github-runner", line) +
          register("gitlab-runner", line) +
          register("buildkite-agent", "'queue=a b,os=linux'"),
      ),
    );
    const states = await builder.asRoot(`for name in github-runner gitlab-runner buildkite-agent; do
  systemctl is-enabled $name; systemctl is-active $name
done
ps -o user:20= -p "$(systemctl show --property=MainPID --value github-runner)"
cat /var/lib/github-runner/actions-runner/.runner /etc/gitlab-runner/config.toml /var/lib/gitlab-runner/ran /var/lib/buildkite-agent/ran
stat -c '%a %U' /etc/buildkite-agent/token
systemctl disable --now github-runner gitlab-runner buildkite-agent`);
    assert.deepEqual(must(states).split("\n").slice(0, 12), [
      ...Array<string[]>(3).fill(["enabled", "active"]).flat(),
      "github-runner",
      `a-token /var/lib/github-runner --unattended --replace --url https://ci.example.com --name a b`,
      "a-token register --non-interactive --config /etc/gitlab-runner/config.toml --url https://ci.example.com --name a b",
      "run --config /etc/gitlab-runner/config.toml --working-directory /var/lib/gitlab-runner --service gitlab-runner --user gitlab-runner",
      "buildkite-agent a-token queue=a b,os=linux start --config /etc/buildkite-agent/buildkite-agent.cfg",
      "600 root",
    ]);
  });

  it("agents: refuse to register without a token or without root, and say so", async () => {
    for (const name of ["github-runner", "gitlab-runner", "buildkite-agent"]) {
      const { all, exitCode } = await builder.asRoot(`register-${name}`);
      assert.match(all, new RegExp(`no token on standard input; usage: echo TOKEN \\| register-${name}`));
      assert.equal(exitCode, 2);
      assert.match((await builder.ssh(`echo a-token | /usr/local/sbin/register-${name}`)).all, /has to be run as root/);
    }
    const { all } = await builder.asRoot(
      `echo 'a"b' | register-buildkite-agent; echo a | register-buildkite-agent 'q="$x"'`,
    );
    assert.match(all, /no token/);
  });

  it("swap: makes no file on the builder, and reports a full disk", async () => {
    must(await builder.asRoot("systemctl start ci-swap.service; [ ! -e /swapfile ]"));
    must(await builder.asRoot(`sed -i 's/1610612736 + /1610612736000000 + /' /usr/local/sbin/ci-swap`));
    const { all, exitCode } = await builder.asRoot("/usr/local/sbin/ci-swap");
    assert.match(all, /no room for a swap file of 1610612736 bytes: \d+ bytes are free/);
    assert.equal(exitCode, 1);
    must(await builder.asRoot("[ ! -e /swapfile ] && [ ! -e /swapfile.new ]"));
  });

  it("limits: apply to SSH logins and to services", async () => {
    assert.equal(must(await builder.ssh("ulimit -Sn; ulimit -Hn; ulimit -Sc")), "2048\n4096\n64");
    const service = "systemd-run --quiet --pipe --wait bash -c 'ulimit -Sn; ulimit -Hn; ulimit -t'";
    assert.equal(must(await builder.asRoot(service)), "2048\n4096\n5400");
  });

  it("timezone: applies to commands on the worker", async () => {
    assert.match(must(await builder.ssh("date -d 2026-07-01 +%Z%z")), /^CEST\+0200$/);
  });

  describe("proxy", () => {
    before(async () => {
      must(
        await builder.asRoot(`cat >/srv/proxy.py <<'END'
${proxy}
END
systemd-run --quiet --unit=proxy python3 /srv/proxy.py
for ((i = 0; i < 100; i++)); do if (exec 3<>/dev/tcp/127.0.0.1/3128) 2>/dev/null; then exit 0; fi; sleep 0.1; done; exit 1`),
      );
    });

    const seen = `ci:${password} GET http://upstream.example.com/file`;

    it("is used with name and password by commands, packages and services, but not for local addresses", async () => {
      assert.equal(must(await builder.ssh("curl --silent --fail http://upstream.example.com/file")), seen);
      const byApt =
        "/usr/lib/apt/apt-helper download-file http://upstream.example.com/file /run/by-apt >/dev/null; cat /run/by-apt";
      assert.equal(must(await builder.asRoot(byApt)), seen);
      const byService = "systemd-run --quiet --pipe --wait curl --silent --fail http://upstream.example.com/file";
      assert.equal(must(await builder.asRoot(byService)), seen);
      must(await builder.asRoot("systemctl stop proxy"));
      const { exitCode, all } = await builder.ssh("curl --silent --show-error http://127.0.0.1:1/");
      assert.equal(exitCode, 7, all);
      assert.match(all, /port 1 /);
    });

    it("stores its password only in files for root, and apt still works for users", async () => {
      const files = must(
        await builder.asRoot(
          "grep --recursive --files-with-matches p%40ss /etc /usr /opt /var/lib | while read -r file; do stat -c '%n %a %U' \"$file\"; done",
        ),
      );
      assert.deepEqual(files.split("\n").sort(), [
        "/etc/apt/apt.conf.d/90-ci-proxy 600 root",
        "/etc/environment 600 root",
        "/etc/proxy.env 600 root",
      ]);
      const { exitCode, all } = await builder.ssh("apt-cache policy bash");
      assert.equal(exitCode, 0, all);
    });

    it("is kept by sealing, but not without keep_secret", async () => {
      const findings = async () => {
        must(await builder.asRoot("umask 077; printf '%s\\n' p%40ss >/run/secrets-of-the-bake"));
        const script = assertSealedScript({ bakeKeys: [], secretsFile: "/run/secrets-of-the-bake" });
        const { all } = await builder.asRoot(script);
        return all
          .split("\n")
          .filter((line) => /^not ok - (environment-secrets|secret-values|cloud-credentials): /.test(line));
      };
      assert.deepEqual(await findings(), []);
      must(await builder.asRoot("rm /usr/lib/ci-images/kept-*"));
      const found = (await findings()).join("\n");
      for (const file of ["/etc/environment", "/etc/apt/apt.conf.d/90-ci-proxy", "/etc/proxy.env: holds a secret"])
        assert.ok(found.includes(file), found);
    });
  });
});

/** A proxy that answers every request with its credentials and URL. */
const proxy = `import base64, http.server
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, value = self.headers.get("Proxy-Authorization", "none ").partition(" ")
        body = base64.b64decode(value) + b" GET " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 3128), Proxy).serve_forever()`;
