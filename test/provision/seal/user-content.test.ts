// Sealing removes only what it must: what modules have made stays, unless it is an identity, a credential or a log, or
// is in a place that is emptied whoever filled it (docs/sealing.md, rule 1). Runs the real seal on one builder that has everything users have ever lost to
// sealing.
import assert from "node:assert/strict";
import { execa } from "execa";
import { rootView, type RootView } from "../../../components/local/provider/machine/machines.ts";
import { assertSealedScript, sealScript } from "../../../provision/seal/seal.ts";
import { must, RealBuilder, record } from "../modules/real-builder.ts";
import { cachedBase } from "../../cached-base.ts";

/** Files that a recipe makes on purpose, by path; sealing keeps them all. */
const made: Readonly<Record<string, string>> = {
  "/var/lib/cloud/scripts/per-boot/10-agent": "#!/bin/sh\necho boot\n",
  "/root/core/README": "a checkout\n",
  "/core/README": "another\n",
  "/home/jenkins/core": "no dump, only called so\n",
  "/root/.docker/config.json":
    '{ "auths": { "https://index.docker.io/v1/": {} }, "credHelpers": { "eu.gcr.io": "gcloud" } }\n',
  "/root/.gradle/gradle.properties": "org.gradle.daemon=false\nnexusPassword=${env.NEXUS}\n",
  "/root/.m2/settings.xml":
    "<settings><servers><server><password>${env.TOKEN}</password></server></servers></settings>\n",
  "/home/jenkins/.kube/config": "apiVersion: v1\nclusters: []\nusers: []\n",
  "/root/.aws/config": "[default]\nregion = eu-central-1\ncredential_process = /usr/bin/helper\n",
  "/home/jenkins/.ssh/known_hosts": "git.example.com ssh-ed25519 AAAAC3Nza\n",
  "/home/jenkins/.ssh/id_ed25519.pub": "ssh-ed25519 AAAAC3Nza jenkins\n",
  "/root/.cache/ms-playwright/chromium/chrome": "a browser\n",
  "/var/spool/cron/crontabs/jenkins": "@daily /usr/bin/clean\n",
  "/etc/NetworkManager/system-connections/office.nmconnection": "[connection]\nid=office\n",
  "/etc/profile.d/token.sh": 'export API_TOKEN="$(cat /run/token)"\nexport NPM_TOKEN_FILE=/run/npm\n',
  "/etc/ssl/private/README.pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  "/var/lib/app/ci-images-cache/data": "data\n",
  "/opt/ci-images/README": "a checkout of this very project\n",
  "/var/backups/nightly.sql": "a dump of a database that jobs restore\n",
};

/** Credentials, identities and logs that sealing removes although a module has made them, with the checklist line. */
const taken: Readonly<Record<string, [rule: string, content: string]>> = {
  "/home/jenkins/.docker/config.json": ["cloud-credentials", '{"auths":{"r.example.com":{"auth":"bWU6c2VjcmV0"}}}\n'],
  "/home/jenkins/.m2/settings.xml": ["cloud-credentials", "<server><password>hunter2hunter2</password></server>\n"],
  "/home/jenkins/.gradle/gradle.properties": ["cloud-credentials", "nexusPassword=hunter2\n"],
  "/root/.kube/config": ["cloud-credentials", "users:\n- user:\n    token: abcdef0123\n"],
  "/root/.netrc": ["cloud-credentials", "machine git.example.com login me password hunter2\n"],
  // The home has a link to its folder.
  "/data/aws/credentials": ["cloud-credentials", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG\n"],
  "/home/jenkins/.bash_history": ["histories", "make\n"],
  "/var/lib/systemd/random-seed": ["random-seed", "seed\n"],
};

describe("sealing a recipe's content", function () {
  this.timeout("5m");
  let builder: RealBuilder;
  let view: RootView & { dispose(): Promise<void> };
  let output: string;

  before(async () => {
    builder = await RealBuilder.create(await cachedBase());
    must(await builder.asRoot(below));
    await builder.settle();
    const files = [
      { path: "/etc/resolv.conf", content: "nameserver 192.0.2.53\n" },
      { path: "/etc/hosts", content: "127.0.0.1 localhost\n127.0.1.1 worker\n192.0.2.7 cache\n" },
      { path: "/etc/fstab", content: "tmpfs /scratch tmpfs size=1G 0 0\n" },
      { path: "/etc/cloud/cloud.cfg.d/90-sources.cfg", content: "datasource_list: [ConfigDrive, OpenStack, None]\n" },
    ];
    must(await builder.asRoot("useradd --create-home jenkins && loginctl enable-linger jenkins"));
    await builder.apply(await record("files", files));
    const texts = [...Object.entries(made), ...Object.entries(taken).map(([path, [, text]]) => [path, text] as const)];
    must(
      await builder.asRoot(
        texts.map(([path, text]) => `install -D -m 0600 /dev/stdin ${path} <<'EOF'\n${text}EOF`).join("\n"),
      ),
    );
    must(await builder.asRoot(onTop));
    must(await builder.asRoot(awkward));
    const image = { name: "worker", recipe: "0123456789abcdef", base: { id: "base", description: "Debian" } };
    output = must(await builder.asRoot(sealScript({ bakeKeys: [builder.bakeKey], image })));
    await builder.stop();
    view = await rootView(builder.name);
  });
  after(async () => {
    await view?.dispose();
    await builder?.remove();
  });

  /** A base that is an image of ours, read without its file flags: sealing has listed them in it. */
  const below = `
    rm -r /var/lib/ci-images/record
    install -d /usr/lib/ci-images /opt/below/folder
    cd /opt/below
    touch immutable log open replaced "of a file"
    ln -s /etc/passwd link
    printf '%s\\t/opt/below/%s\\n' iA immutable a folder a log i open i replaced i link i gone i 'of a file' >/usr/lib/ci-images/file-flags
  `;

  /** What modules do with the base's files that have flags. */
  const onTop = `
    cd /opt/below
    if echo changed 2>/dev/null >immutable; then exit 1; fi
    echo added >>log
    echo added >folder/added
    chattr -i open replaced
    echo changed >open
    rm replaced
    touch replaced
  `;

  /** Makes sealing hard: immutable files, mounts, a core dump, and services that restart on demand. */
  const awkward = `
    install -D -m 0600 /dev/stdin /etc/ssh/ssh_host_rsa_key <<<"a host key"
    chattr +i /etc/ssh/ssh_host_rsa_key /etc/ssh
    install -D /dev/stdin /opt/locked/settings <<<"never to be changed"
    chattr +i /opt/locked/settings
    chattr +a /opt/locked
    ln -s /data/aws /home/jenkins/.aws
    install -D /dev/stdin /opt/app/env.sh <<<"export DEPLOY_TOKEN=abc"
    ln -s /opt/app/env.sh /etc/profile.d/app.sh
    # A home behind a link, as /home often is.
    install -d /data/homes; ln -s /data/homes /srv/homes; useradd --create-home --home-dir /srv/homes/moved moved
    echo make >/srv/homes/moved/.bash_history
    # What follows the line break looks like flags in the output of lsattr.
    touch /opt/$'line\\nbreak it'
    install -d /var/lib/cloud/data/mounted /var/lib/app/mounted /srv/outside
    echo below >/var/lib/app/mounted/below
    mount -t tmpfs tmpfs /var/lib/cloud/data/mounted
    mount -t tmpfs tmpfs /var/lib/app/mounted
    echo precious >/srv/outside/precious
    mount --bind /srv/outside /var/tmp
    sleep 600 & kill -SEGV $! ; wait $! || true
    printf '\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\4\\0' >/home/jenkins/core.17
    # A logger like rsyslog: its socket starts it again on demand.
    cat >/usr/local/sbin/logger-service <<'END'
#!/bin/sh
while :; do echo line >>/var/log/auth.log; sleep 0.1; done
END
    chmod 0755 /usr/local/sbin/logger-service
    cat >/etc/systemd/system/test-logger.service <<'END'
[Service]
ExecStart=/usr/local/sbin/logger-service
KillMode=process
[Install]
WantedBy=multi-user.target
END
    cat >/etc/systemd/system/test-logger.socket <<'END'
[Socket]
ListenStream=/run/test-logger.socket
END
    cat >/etc/systemd/system/test-pinger.service <<'END'
[Service]
ExecStart=/bin/sh -c 'sleep 1000'
ExecStop=/usr/bin/systemctl --no-block start test-logger.service
END
    # Sealing leaves this one running, and it writes when it is stopped.
    cat >/run/systemd/system/ci-images-builder-test.service <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh -c 'echo late >/var/log/late.log; echo seed >/var/lib/systemd/random-seed'
END
    systemctl daemon-reload
    systemctl start ci-images-builder-test.service
    systemctl start test-logger.socket test-logger.service test-pinger.service
    # Like Session Manager's agent: the session's worker process outlives the service.
    cat >/usr/local/sbin/ssm-session-worker <<'END'
#!/bin/sh
trap '' TERM
while :; do mkdir -p /var/log/amazon /var/lib/amazon/ssm; echo line >>/var/log/amazon/ssm.log; echo id >/var/lib/amazon/ssm/registration; sleep 0.1; done
END
    chmod 0755 /usr/local/sbin/ssm-session-worker
    cat >/etc/systemd/system/amazon-ssm-agent.service <<'END'
[Service]
ExecStart=/usr/local/sbin/ssm-session-worker
ExecStop=/bin/sh -c 'if [ -e /usr/lib/ci-images/after-stop ]; then touch /opt/agent-went-on; fi'
KillMode=process
SendSIGKILL=no
TimeoutStopSec=1
END
    systemctl daemon-reload
    systemctl start amazon-ssm-agent.service
    # A cloud builder's host name, which software records when it is installed.
    hostname ip-10-0-0-7
    install -D /dev/stdin /etc/mailname <<<ip-10-0-0-7.example.internal
    install -D /dev/stdin /etc/postfix/main.cf <<'END'
myhostname = ip-10-0-0-7.example.internal
myorigin = /etc/mailname
mydestination = $myhostname, ip-10-0-0-7.example.internal, localhost.example.internal, localhost
END
    install -D /dev/stdin /etc/exim4/update-exim4.conf.conf <<<"dc_other_hostnames='ip-10-0-0-7.example.internal'"
    install -D /dev/stdin /var/lib/rabbitmq/mnesia/rabbit@ip-10-0-0-7/schema.DAT <<<schema
    install -D /dev/stdin /etc/app/name.conf <<<"name: ip-10-0-0-7"
    install -D /dev/stdin /etc/app/other.conf <<<"name: ip-10-0-0-71"
    install -D -m 0755 /dev/stdin /usr/sbin/popularity-contest <<<'#!/bin/sh'
    install -D /dev/stdin /etc/popularity-contest.conf <<<'MY_HOSTID="0123456789abcdef"'
    # A background process that a module has left running.
    setsid sh -c 'while :; do echo stray >>/var/log/stray.log; sleep 0.1; done' </dev/null >/dev/null 2>&1 &
  `;

  async function offline(script: string): Promise<string> {
    const [command, ...words] = [...view.enter, "bash", "-euo", "pipefail", "-s"];
    const { all, exitCode } = await execa(command, words, {
      input: script,
      env: { ROOT: view.path },
      all: true,
      reject: false,
    });
    assert.equal(exitCode, 0, all);
    return all;
  }

  it("keeps everything that a module made, byte by byte", async () => {
    for (const [path, text] of Object.entries(made))
      assert.equal(`${await offline(`cat "$ROOT${path}"`)}\n`, text, path);
    assert.equal(await offline(`ls "$ROOT/var/lib/systemd/linger"`), "jenkins");
  });

  it("keeps what the module `files` wrote to paths that sealing otherwise resets", async () => {
    assert.equal(await offline(`cat "$ROOT/etc/resolv.conf"`), "nameserver 192.0.2.53");
    assert.equal(await offline(`cat "$ROOT/etc/hosts"`), "127.0.0.1 localhost\n127.0.1.1 worker\n192.0.2.7 cache");
  });

  it("removes credentials, identities, logs and dumps, and lists each removal in the log and in the image", async () => {
    const gone = { ...taken, "/home/jenkins/core.17": ["crash-data"], "/etc/ssh/ssh_host_rsa_key": ["ssh-host-keys"] };
    const report = (await offline(`cat "$ROOT/usr/lib/ci-images/sealing"`)).split("\n");
    for (const [path, [rule]] of Object.entries(gone)) {
      assert.equal(await offline(`ls -d "$ROOT${path}" 2>/dev/null || true`), "", path);
      assert.ok(report.includes(`removed\t${rule}\t${path}`), `${path} is not in\n${report.join("\n")}`);
      assert.ok(output.includes(`removed ${path} (${rule})`), output);
    }
    assert.equal(
      await offline(`readlink "$ROOT/home/jenkins/.aws" "$ROOT/etc/profile.d/app.sh"`),
      "/data/aws\n/opt/app/env.sh",
    );
    assert.equal(await offline(`cat "$ROOT/opt/app/env.sh"`), "");
    assert.ok(report.includes("changed\t-\t/opt/app/env.sh"), report.join("\n"));
    assert.ok(report.includes("kept\tspools\t/var/spool/cron/crontabs/jenkins"), report.join("\n"));
  });

  it("clears file flags on what it removes, and keeps the flags of everything else, also those of an image below", async () => {
    assert.match(output, /cleared the flags of \/etc\/ssh\/ssh_host_rsa_key/);
    assert.equal(
      await offline(`cat "$ROOT/opt/locked/settings"; cat "$ROOT/usr/lib/ci-images/file-flags" | sort`),
      [
        "never to be changed",
        ...["a\t/opt/below/folder", "a\t/opt/below/log", "a\t/opt/locked", "i\t/etc/ssh"],
        "i\t/opt/below/of a file",
        "i\t/opt/locked/settings",
        "iA\t/opt/below/immutable",
      ].join("\n"),
    );
  });

  it("unmounts what a module has mounted, and removes nothing from the mounted file systems", async () => {
    assert.match(output, /unmounted \/var\/lib\/app\/mounted/);
    assert.equal(
      await offline(`cat "$ROOT/var/lib/app/mounted/below" "$ROOT/srv/outside/precious"`),
      "below\nprecious",
    );
  });

  it("lets nothing write after the cleanup, neither restarted services nor their leftovers nor stray processes", async () => {
    assert.match(output, /stopping .*test-logger\.socket/);
    assert.match(output, /ending process (logger-service|sh|sleep) /);
    assert.equal(await offline(`find "$ROOT/var/log" -type f`), "");
    assert.equal(await offline(`cat "$ROOT/usr/lib/ci-images/after-stop"`), "ok");
    const assertion = await offline(assertSealedScript({ bakeKeys: [builder.bakeKey] }));
    assert.ok(!assertion.includes("not ok"), assertion);
  });

  it("keeps the agent that carries the bake's session until the builder stops, then removes what it wrote", async () => {
    assert.match(output, /the way in is Session Manager's agent/);
    assert.doesNotMatch(output, /ending process ssm-session-wor/);
    assert.equal(
      await offline(`ls "$ROOT/opt/agent-went-on" "$ROOT/var/lib/amazon/ssm"`),
      `${view.path}/opt/agent-went-on\n\n${view.path}/var/lib/amazon/ssm:`,
    );
  });

  it("removes the builder's host name from well-known settings, and reports other files that contain it", async () => {
    assert.equal(
      await offline(`cat "$ROOT/etc/mailname" "$ROOT/etc/postfix/main.cf" "$ROOT/etc/popularity-contest.conf"`),
      [
        "localhost",
        "myorigin = /etc/mailname",
        "mydestination = $myhostname, $myhostname, localhost.example.internal, localhost",
        'MY_HOSTID=""',
      ].join("\n"),
    );
    // Exim 4.96 generates its other settings from this file at every start.
    assert.equal(await offline(`cat "$ROOT/etc/exim4/update-exim4.conf.conf"`), "dc_other_hostnames='localhost'");
    assert.equal(await offline(`ls -A "$ROOT/var/lib/rabbitmq/mnesia"`), "");
    assert.match(output, /changed \/etc\/postfix\/main\.cf, which had the builder's name/);
    const report = await offline(`cat "$ROOT/usr/lib/ci-images/sealing"`);
    assert.deepEqual(report.match(/^noted.*$/gm), ["noted\thost-names\t/etc/app/name.conf"]);
    assert.match(output, /noted \/etc\/app\/name\.conf \(host-names\)/);
  });
});
