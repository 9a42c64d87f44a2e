// Sealing a builder on which Google's real guest agent runs, with a metadata server that hands out keys. Debian's
// package is an older agent. To also test a current one, which has a separate process (`core_plugin`), set
// CI_IMAGES_GUEST_AGENT to a folder with `google_guest_agent`, `core_plugin` and its `manifest.binpb`, built from
// https://github.com/GoogleCloudPlatform/google-guest-agent.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { rootView } from "../../../components/local/provider/machine/machines.ts";
import { feed } from "../../../provision/shell/shell.ts";
import { assertSealedScript, sealScript } from "../../../provision/seal/seal.ts";
import { cachedBase } from "../../cached-base.ts";
import { must, RealBuilder } from "../modules/real-builder.ts";
import { until } from "../../test-cloud/until.ts";

/**
 * The metadata server's address. A builder can't have Google's, 169.254.169.254, so agents get one of the same length.
 */
const server = "127.100.100.254";

/** Patches the address in programs. */
const redirect = (...programs: string[]) => `sed -i s/169[.]254[.]169[.]254/${server}/g ${programs.join(" ")}`;

/** Ways to install an agent. */
const agents: Record<string, (builder: RealBuilder) => Promise<void>> = {
  "Debian's package": async (builder) => {
    // The package must not start the agent before its address is patched.
    const script = `printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -qy install google-guest-agent
rm /usr/sbin/policy-rc.d
${redirect("/usr/bin/google_guest_agent")}
systemctl start google-guest-agent`;
    must(await builder.asRoot(script));
  },
};
const folder = process.env.CI_IMAGES_GUEST_AGENT;
if (folder) {
  agents["a current build"] = async (builder) => {
    const plugin = "/usr/lib/google/guest_agent/GuestAgentCorePlugin";
    const programs = {
      google_guest_agent: "/usr/bin/google_guest_agent_manager",
      core_plugin: `${plugin}/core_plugin`,
    };
    // The manager only starts plugins that have a manifest.
    const places = { ...programs, "manifest.binpb": `${plugin}/manifest.binpb` };
    for (const [name, path] of Object.entries(places)) {
      const input = await readFile(join(folder, name));
      must(await builder.ssh(`sudo install -D /dev/stdin ${path}`, input));
    }
    must(await builder.asRoot(redirect(...Object.values(programs))));
    // From google-guest-agent-manager.service of Google's packages.
    const unit = `[Unit]\nAfter=network-online.target\n[Service]\nType=notify\nExecStart=/usr/bin/google_guest_agent_manager\nRestart=always\nKillMode=process\n[Install]\nWantedBy=multi-user.target\n`;
    must(
      await builder.asRoot(
        `# It sets disk schedulers, which a container can't.
mount -t tmpfs tmpfs /sys/block
cat >/etc/systemd/system/google-guest-agent-manager.service ${feed(unit)}\nsystemctl enable --now google-guest-agent-manager || { journalctl -n 60 -o cat -u google-guest-agent-manager; exit 1; }`,
      ),
    );
  };
}

describe("sealing a builder with a running Google guest agent", function () {
  this.timeout("10m");
  const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };

  /** The metadata server's answer. @param key The key that may log in. */
  const metadata = (key: string) => ({
    instance: {
      id: 4711,
      name: "builder",
      zone: "projects/1/zones/here-a",
      attributes: { "ssh-keys": `debian:${key}`, "enable-oslogin": "FALSE", "block-project-ssh-keys": "TRUE" },
      networkInterfaces: [],
      virtualClock: { driftToken: "0" },
    },
    project: { projectId: "bakery", numericProjectId: 1, attributes: {} },
    universe: { universeDomain: "googleapis.com" },
  });
  const tell = (key: string) =>
    `cat >/run/metadata.new ${feed(JSON.stringify(metadata(key)))}\nmv /run/metadata.new /run/metadata.json\n`;

  for (const [which, install] of Object.entries(agents)) {
    it(`removes the agent's state, and stops it from adding keys again: ${which}`, async () => {
      const builder = await RealBuilder.create(await cachedBase());
      try {
        const [first, second] = [makeSshKeyPair(), makeSshKeyPair()].map(({ publicKey }) => publicKey);
        const script = await readFile(new URL("metadata-server.py", import.meta.url), "utf8");
        // Sealing does not stop units of this name; the real server is not on the machine either.
        must(
          await builder.asRoot(`cat >/run/metadata-server.py ${feed(script)}
${tell(first)}systemd-run --unit=systemd-test-metadata python3 /run/metadata-server.py ${server}`),
        );
        await install(builder);
        const letsIn = async (key: string) => {
          const file = must(await builder.asRoot("cat /home/debian/.ssh/authorized_keys || true"));
          return file.includes(key.split(" ")[1]);
        };
        await until("the agent has added the key", 90, () => letsIn(first));
        must(await builder.asRoot(tell(second)));
        await until("the agent has added another key", 90, () => letsIn(second));
        const state = must(await builder.asRoot("ls -d /etc/google_instance_id /var/lib/google* 2>/dev/null || true"));
        assert.notEqual(state.trim(), "");

        const options = { bakeKeys: [builder.bakeKey, second], image };
        const left = "cat /proc/[0-9]*/comm 2>/dev/null | grep -E '^(google|core_plugin)'";
        const rest = `${tell(first)}sleep 5\necho "left: $(${left})"\n`;
        const { all, exitCode } = await builder.asRoot(`${sealScript(options)}\n${rest}`);
        assert.equal(exitCode, 0, all);
        assert.match(all, /^left: $/m);

        await builder.stop();
        const view = await rootView(builder.name);
        try {
          const [command, ...words] = [...view.enter, "bash", "-euo", "pipefail", "-s"];
          const input = `${assertSealedScript({ bakeKeys: [builder.bakeKey, first, second] })}
find "$ROOT/etc/google_instance_id" "$ROOT"/var/lib/google*/ -mindepth 1 2>/dev/null || true`;
          const sealed = await execa(command, words, { input, env: { ROOT: view.path }, all: true, reject: false });
          assert.equal(sealed.exitCode, 0, sealed.all);
          assert.deepEqual(
            sealed.all.split("\n").filter((line) => !line.startsWith("ok - ")),
            [],
          );
        } finally {
          await view.dispose();
        }
      } finally {
        await builder.remove();
      }
    });
  }
});
