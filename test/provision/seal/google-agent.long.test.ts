// Google's guest agent itself on a builder, with a metadata server that hands out keys: what sealing leaves of it. Debian's package is an
// older agent. CI_IMAGES_GUEST_AGENT=FOLDER also takes one of today, which keeps a process of its own (`core_plugin`): a folder with
// `google_guest_agent`, `core_plugin` and its `manifest.binpb`, built from https://github.com/GoogleCloudPlatform/google-guest-agent.
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

/** Where the metadata server is: a builder can't have Google's address, 169.254.169.254, so agents get another one that is as long. */
const server = "127.100.100.254";

/** Lets programs ask the server there. */
const redirect = (...programs: string[]) => `sed -i s/169[.]254[.]169[.]254/${server}/g ${programs.join(" ")}`;

/** Ways to install an agent. */
const agents: Record<string, (builder: RealBuilder) => Promise<void>> = {
  "as Debian has it": async (builder) => {
    // The package must not start it before it is told where the server is: it would wait for that.
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
  agents["of today"] = async (builder) => {
    const plugin = "/usr/lib/google/guest_agent/GuestAgentCorePlugin";
    const programs = {
      google_guest_agent: "/usr/bin/google_guest_agent_manager",
      core_plugin: `${plugin}/core_plugin`,
    };
    // The manager starts only what has a manifest.
    const places = { ...programs, "manifest.binpb": `${plugin}/manifest.binpb` };
    for (const [name, path] of Object.entries(places)) {
      const input = await readFile(join(folder, name));
      must(await builder.ssh(`sudo install -D /dev/stdin ${path}`, input));
    }
    must(await builder.asRoot(redirect(...Object.values(programs))));
    // As google-guest-agent-manager.service of Google's packages has it.
    const unit = `[Unit]\nAfter=network-online.target\n[Service]\nType=notify\nExecStart=/usr/bin/google_guest_agent_manager\nRestart=always\nKillMode=process\n[Install]\nWantedBy=multi-user.target\n`;
    must(
      await builder.asRoot(
        `# It sets the schedulers of disks, which a container can't.
mount -t tmpfs tmpfs /sys/block
cat >/etc/systemd/system/google-guest-agent-manager.service ${feed(unit)}\nsystemctl enable --now google-guest-agent-manager || { journalctl -n 60 -o cat -u google-guest-agent-manager; exit 1; }`,
      ),
    );
  };
}

describe("sealing of a builder on which Google's guest agent works", function () {
  this.timeout("10m");
  const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };

  /** What the metadata server tells: whose keys are let in. */
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
    it(`leaves nothing of its state, and no agent that lets in a key again: ${which}`, async () => {
      const builder = await RealBuilder.create(await cachedBase());
      try {
        const [first, second] = [makeSshKeyPair(), makeSshKeyPair()].map(({ publicKey }) => publicKey);
        const script = await readFile(new URL("metadata-server.py", import.meta.url), "utf8");
        // Its unit has a name of those that sealing leaves alone: the real one is not on the machine.
        must(
          await builder.asRoot(`cat >/run/metadata-server.py ${feed(script)}
${tell(first)}systemd-run --unit=systemd-test-metadata python3 /run/metadata-server.py ${server}`),
        );
        await install(builder);
        const letsIn = async (key: string) => {
          const file = must(await builder.asRoot("cat /home/debian/.ssh/authorized_keys || true"));
          return file.includes(key.split(" ")[1]);
        };
        await until("the agent has let in the key", 90, () => letsIn(first));
        must(await builder.asRoot(tell(second)));
        await until("the agent has let in another key", 90, () => letsIn(second));
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
