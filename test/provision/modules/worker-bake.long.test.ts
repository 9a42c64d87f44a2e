// The old workers' modules on a real builder, except those in real-bake.ts: every check fails before its module
// runs, passes after it, and still passes after a second run. Downloads come from the builder itself
// (worker-fixtures.sh).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { RecordingRoot } from "../../../provision/plan/root.ts";
import { must, RealBuilder, record } from "./real-builder.ts";
import { cachedBase } from "../../cached-base.ts";

const site = "https://localhost:8443";
const image = "localhost:5000/ci/tools:1";

describe("modules of the old workers on a real builder", function () {
  this.timeout("10m");
  let builder: RealBuilder;
  let folder: string;
  /** Output of worker-fixtures.sh. */
  let fixtures: Record<string, string>;
  const roots = new Map<string, RecordingRoot>();
  const checks = () => [...roots.values()].flatMap((root) => root.checks);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-workers-"));
    builder = await RealBuilder.create(await cachedBase());
    const script = readFileSync(new URL("./worker-fixtures.sh", import.meta.url), "utf8");
    const lines = must(await builder.asRoot(script)).split("\n");
    fixtures = Object.fromEntries(lines.map((line) => line.split(" ", 2) as [string, string]));
    await writeFile(join(folder, "requirements.txt"), "ci-demo\n");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "root_key")]);
    for (const [module, settings] of bake()) roots.set(module, await record(module, settings, folder));
  });
  after(async () => {
    await builder?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  function bake(): [module: string, settings?: unknown][] {
    const { git, pypy, pip, key, fingerprint } = fixtures;
    const flat = { url: `${site}/debs`, suites: ["./"] };
    return [
      [
        "repositories",
        [
          "contrib",
          { ...flat, name: "by-digest", key_url: `${site}/key.gpg`, key_sha256: key },
          {
            ...flat,
            name: "by-fingerprint",
            url: `${site}/debs-again/`,
            key_url: `${site}/key.asc`,
            key_fingerprint: fingerprint,
          },
        ],
      ],
      ["development_tools"],
      ["network_card_fix"],
      ["firewall", { ports: ["80/tcp", "60000-61000/udp"] }],
      ["docker", { daemon: { "log-driver": "local" } }],
      ["docker_images", [image]],
      ["root_key", { key: readFileSync(join(folder, "root_key"), "utf8").trimEnd() }],
      ["fpm", { version: "9.9.9", source: `${site}/` }],
      ["path", ["/opt/tools/bin", "/usr/local/bin"]],
      ["git", { version: "9.9.9", sha256: git, url: `${site}/git-9.9.9.tar.gz` }],
      ["pip", { version: "99.0", sha256: pip, index_url: `${site}/simple` }],
      ["wheel_cache", { files: ["requirements.txt"], requirements: ["ci-other==1.0"], index_url: `${site}/simple` }],
      ["pypy", { version: "9.9.9", sha256: pypy, url: `${site}/pypy.tar.bz2` }],
    ];
  }

  async function applyAll(): Promise<void> {
    for (const [module, root] of roots) {
      if (module === "docker_images") must(await builder.asRoot(pushImage));
      await builder.apply(root);
    }
  }

  it("have checks that all fail on an untouched builder", async () => {
    await builder.expectAll("not ok", checks());
  });

  it("pass their checks after they have run", async () => {
    await applyAll();
    await builder.expectAll("ok", checks());
  });

  it("can run twice", async () => {
    await applyAll();
    await builder.expectAll("ok", checks());
  });

  /**
   * Runs `start`, which starts a firewall, in a network namespace on the builder.
   * @returns its output, and which ports are open from outside.
   */
  const seenFromOutside = async (start: string) => {
    const script = `
      unshare --user --map-root-user --net --mount bash -euo pipefail <<'END_OF_SCRIPT'
      ip link set lo up
      # The firewall allows loopback, so the client is in another namespace.
      unshare --net sleep 120 &
      outside=$!
      trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
      other="nsenter --target $outside --net"
      sleep 0.2
      ip link add here type veth peer name there
      ip link set there netns $outside
      ip address add 192.0.2.1/24 dev here
      ip link set here up
      $other ip address add 192.0.2.2/24 dev there
      $other ip link set there up
      ${start}
      for port in 22 80 81; do python3 -m http.server --bind 192.0.2.1 $port >/dev/null 2>&1 & done
      sleep 1
      for port in 22 80 81; do
        if $other timeout 2 bash -c "exec 3<>/dev/tcp/192.0.2.1/$port" 2>/dev/null; then echo "$port open"; else echo "$port shut"; fi
      done
END_OF_SCRIPT`;
    return must(await builder.asRoot(script)).split("\n");
  };

  it("firewall: works with firewalld too, runs twice, and replaces a zone that trusted everything", async () => {
    const prepare = `
      apt-get install -qy firewalld >/dev/null
      systemctl stop firewalld
      firewall-offline-cmd --set-default-zone=trusted`;
    must(await builder.asRoot(prepare));
    const root = await record("firewall", { ports: ["80/tcp"], backend: "firewalld" });
    for (let time = 0; time < 2; time++) await builder.apply(root);
    await builder.expectAll("ok", root.checks);
    // Start another firewalld in the namespace: the module doesn't start that of a builder that is a container.
    const start = `
      firewalld --nofork --nopid --log-file /dev/null >/dev/null 2>&1 &
      for ((tries = 0; tries < 60; tries += 1)); do firewall-cmd --quiet --state 2>/dev/null && break; sleep 1; done
      firewall-cmd --get-default-zone`;
    assert.deepEqual(await seenFromOutside(start), ["ci-worker", "22 open", "80 open", "81 shut"]);
  });

  it("firewall: opens the given ports and SSH, and nothing else", async () => {
    const seen = await seenFromOutside("nft --file /etc/nftables.d/ci-worker.nft");
    assert.deepEqual(seen, ["22 open", "80 open", "81 shut"]);
  });

  it("network_card_fix: sets a card's features, and detects wrong ones", async () => {
    // A virtual card in a separate namespace, with a fake /sys/class/net that lists it.
    const script = `
      unshare --user --map-root-user --net --mount bash -euo pipefail <<'END_OF_SCRIPT'
      ip link add card type veth peer name other
      mount -t tmpfs tmpfs /sys/class/net
      mkdir -p /sys/class/net/card/device
      if /usr/local/sbin/ci-network-card-fix --look; then echo "sees nothing"; else echo "sees it"; fi
      /usr/local/sbin/ci-network-card-fix >/dev/null
      ethtool -k card | grep '^scatter-gather:'
      /usr/local/sbin/ci-network-card-fix --look && echo fine
END_OF_SCRIPT`;
    assert.deepEqual(must(await builder.asRoot(script)).split("\n"), ["sees it", "scatter-gather: off", "fine"]);
  });

  it("docker: on the builder, containers run and have a network, and images can be built", async () => {
    const script = `
      DEBIAN_FRONTEND=noninteractive apt-get -q -y install busybox-static >/dev/null 2>&1
      work=$(mktemp -d); mkdir "$work/bin"; cp /bin/busybox "$work/bin/"
      tar --directory "$work" --create . | docker import - plain >/dev/null
      printf 'FROM plain\\nRUN ["/bin/busybox", "touch", "/built"]\\n' | docker build --quiet --tag built - >/dev/null
      gateway=$(ip -4 -oneline address show docker0 | awk '{ sub("/.*", "", $4); print $4 }')
      docker run --rm built /bin/busybox ls /built
      docker run --rm plain /bin/busybox wget -q -O - "http://$gateway:5000/v2/"; echo
      docker run --rm --network none plain /bin/busybox ls /sys/class/net
      docker run --rm --network host plain /bin/busybox ls /sys/class/net/tap0/mtu
      docker rmi --force built plain >/dev/null`;
    assert.deepEqual(must(await builder.asRoot(script)).split("\n"), ["/built", "{}", "lo", "/sys/class/net/tap0/mtu"]);
  });

  it("docker_images: are loaded once on a worker with an empty cache", async () => {
    const script = `
      rm /var/lib/ci-images/builder
      docker rmi ${image} >/dev/null
      systemctl start ci-docker-images.service
      docker image inspect --format '{{.RepoTags}}' ${image}
      [ ! -e /usr/lib/ci-images/docker-images.tar ] && echo loaded
      systemctl start ci-docker-images.service && echo "nothing more to do"`;
    assert.deepEqual(must(await builder.asRoot(script)).split("\n"), [`[${image}]`, "loaded", "nothing more to do"]);
  });

  it("repositories: fails the bake for a wrong key, and for a second key in the file", async () => {
    const repository = { name: "strange", url: `${site}/debs/`, suites: ["./"] };
    const other = { ...repository, key_url: `${site}/key.asc`, key_fingerprint: "0".repeat(40) };
    await assert.rejects(builder.apply(await record("repositories", [other])), /another one than the recipe means/);
    const both = { ...repository, key_url: `${site}/two-keys.asc`, key_fingerprint: fixtures.fingerprint };
    await assert.rejects(builder.apply(await record("repositories", [both])), /another one than the recipe means/);
    const digest = { ...repository, key_url: `${site}/key.asc`, key_sha256: "0".repeat(64) };
    await assert.rejects(builder.apply(await record("repositories", [digest])), /not the one that the recipe means/);
  });

  it("git: fails the bake for an archive with a wrong sha256, and installs nothing", async () => {
    must(await builder.asRoot("rm /usr/local/bin/git"));
    const wrong = { version: "9.9.9", sha256: "0".repeat(64), url: `${site}/git-9.9.9.tar.gz` };
    await assert.rejects(builder.apply(await record("git", wrong)), /not the one that the recipe means/);
    must(await builder.asRoot("[ ! -e /usr/local/bin/git ]"));
  });

  it("root_key: fails the bake for a text that is not a key, and removes it", async () => {
    await assert.rejects(builder.apply(await record("root_key", { key: "not a key" })), /no private SSH key/);
    must(await builder.asRoot("[ ! -e /root/.ssh/id_rsa ]"));
  });
});

/** Pushes an image to the fixtures' registry and removes it from Docker's cache. */
const pushImage = `\
mkdir -p /srv/image && echo tools >/srv/image/tools
docker rmi --force ${image} >/dev/null 2>&1 || true
tar --directory /srv/image --create . | docker import - ${image} >/dev/null
docker push --quiet ${image}
docker rmi ${image}`;
