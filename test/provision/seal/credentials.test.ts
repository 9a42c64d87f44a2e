// Sealing recognizes credentials by a file's content, not by its name: tools' settings stay, keys and passwords go.
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { prelude } from "../../../provision/seal/prelude.ts";
import { assertSealedScript } from "../../../provision/seal/seal.ts";
import { findDistribution } from "../../../provision/distributions.ts";
import { RecordingRoot } from "../../../provision/plan/root.ts";
import { libraryFolder, ModuleCatalogue } from "../../../provision/recipe/load-modules.ts";
import { isSecretLine } from "../../../provision/seal/secret-lines.ts";
import { liveFunctions } from "../../../provision/seal/live.ts";
import { bash, inNamespace } from "../bash.ts";

const harmless: readonly [path: string, content: string][] = [
  [
    "/root/.docker/config.json",
    '{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"ecr-login","credHelpers":{"x":"gcr"}}',
  ],
  ["/root/.kube/config", "apiVersion: v1\nusers:\n- name: ci\n  user:\n    exec:\n      command: aws\n"],
  [
    "/root/.aws/config",
    "[default]\nregion = eu-west-1\ncredential_process = /usr/bin/helper\nsso_start_url = https://x\n",
  ],
  ["/root/.aws/credentials", "[default]\naws_access_key_id = AKIAEXAMPLE\nweb_identity_token_file = /var/run/token\n"],
  [
    "/root/.gradle/gradle.properties",
    "org.gradle.jvmargs=-Xmx2g\nsystemProp.javax.net.ssl.trustStorePassword=changeit\n",
  ],
  ["/root/.m2/settings.xml", "<settings><server><id>x</id><password>${env.PASSWORD}</password></server></settings>"],
  ["/root/.npmrc", "registry=https://npm.example.com/\n//npm.example.com/:_authToken=${NPM_TOKEN}\n"],
  ["/root/.netrc", "# machine git.example.com login me\n"],
  ["/root/.pgpass", "# host:port:db:user:password\n"],
  ["/root/.config/gcloud/configurations/config_default", "[core]\naccount = ci@example.com\nproject = p\n"],
  ["/root/.config/gh/config.yml", "git_protocol: ssh\n"],
  ["/root/.composer/auth.json", '{ "github-oauth": {} }'],
  ["/etc/pip.conf", "[global]\nindex-url = https://pypi.example.com/simple\n"],
  ["/root/.pip/pip.conf", "[global]\nindex-url = https://ci@pypi.example.com/simple\n"],
  ["/etc/gitlab-runner/config.toml", "concurrent = 4\n[session_server]\n  session_timeout = 1800\n"],
  [
    "/etc/buildkite-agent/buildkite-agent.cfg",
    'name="%hostname-%spawn"\n# token="xxx"\n'.replace('# token="xxx"\n', ""),
  ],
];

const credentials: readonly [path: string, content: string][] = [
  ["/root/.docker/config.json", '{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGFzcw=="}}}'],
  ["/root/.docker/config.json", '{"auths": {"x": {"identitytoken": "abcdef"}}}'],
  ["/root/.kube/config", "users:\n- user:\n    client-key-data: LS0tLS1CRUdJTg==\n"],
  ["/root/.kube/config", "users:\n- user: {token: abcdef}\n"],
  ["/root/.aws/credentials", "[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"],
  ["/root/.aws/sso/cache/x.json", '{"accessToken":"aoaAAAA","expiresAt":"2026"}'],
  ["/root/.gradle/gradle.properties", "nexusPassword=hunter2\n"],
  ["/root/.m2/settings.xml", "<server>\n<password>hunter2</password></server>"],
  [
    "/root/.m2/settings-security.xml",
    "<settingsSecurity><master>{jSMOWnoPFgsHVpMvz5VrIt5kRbzGpI8u}</master></settingsSecurity>",
  ],
  ["/root/.npmrc", "//npm.example.com/:_authToken=0123-4567\n"],
  ["/root/.npmrc", "_auth=bWU6cGFzcw==\n"],
  ["/root/.netrc", "machine git.example.com login me password hunter2\n"],
  ["/root/.pgpass", "db:5432:*:ci:hunter2\n"],
  ["/root/.git-credentials", "https://me:hunter2@git.example.com\n"],
  ["/root/.config/gcloud/access_tokens.db", "SQLite format 3\0ya29.a0AfH6SMBabcdefghijklmnopq"],
  [
    "/root/.config/gcloud/application_default_credentials.json",
    '{ "refresh_token": "1//0abc", "type": "authorized_user" }',
  ],
  ["/root/.config/gh/hosts.yml", "github.com:\n    oauth_token: gho_abc\n"],
  ["/root/.config/rclone/rclone.conf", "[x]\ntype = sftp\npass = obscured\n"],
  ["/root/.vault-token", "s.abcdef\n"],
  ["/root/.gem/credentials", "---\n:rubygems_api_key: rubygems_abc\n"],
  ["/root/.cargo/credentials.toml", '[registry]\ntoken = "cioabc"\n'],
  ["/root/.composer/auth.json", '{\n  "github-oauth": {\n    "github.com": "abc"\n  }\n}'],
  ["/root/.subversion/auth/svn.simple/0", "K 8\npassword\nV 7\nhunter2\nEND\n"],
  ["/etc/pip.conf", "[global]\nindex-url = https://me:hunter2@pypi.example.com/simple\n"],
  ["/root/.git-credentials", "https://0123456789abcdef0123456789abcdef01234567@git.example.com\n"],
  ["/root/.pip/pip.conf", "[global]\nindex-url = https://0123456789abcdef0123@pypi.example.com/simple\n"],
  ["/etc/gitlab-runner/config.toml", '[[runners]]\n  token = "glrt-abc"\n'],
];

const environment: readonly [line: string, isSecret: boolean][] = [
  ["DEPLOY_TOKEN=abc", true],
  ['export AWS_SECRET_ACCESS_KEY="abc/def"', true],
  ["http_proxy=http://me:hunter2@proxy:3128", true],
  ['export API_TOKEN="$(cat /run/token)"', false],
  ["export NPM_TOKEN=${NPM_TOKEN:-}", false],
  ["VAULT_TOKEN_FILE=/run/vault", false],
  ["GITHUB_TOKEN=", false],
  ["http_proxy=http://proxy:3128", false],
  ["TOKENIZERS_PARALLELISM=false", false],
  ["MAX_TOKENS=4096", false],
  ["API_TOKENS=abc,def", true],
  ["API_TOKEN=abc TOKENIZERS_PARALLELISM=false", true],
  ['DefaultEnvironment="POSTGRES_PASSWORD=postgres"', true],
  ["DATABASE_URL=postgres://test:test@localhost/db", true],
  ["http_proxy=http://${USER}:${PASSWORD}@proxy:3128", false],
];

describe("the search for credentials", function () {
  this.timeout(60_000);
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ci-images-root-"));
    await put("/etc/passwd", "root:x:0:0::/root:/bin/bash\n");
  });
  afterEach(() => rm(root, { recursive: true }));

  async function put(path: string, content: string): Promise<void> {
    await mkdir(dirname(root + path), { recursive: true });
    await writeFile(root + path, content);
  }

  async function run(script: string): Promise<string> {
    const { stdout, stderr, exitCode } = await bash(
      `set -eu\nROOT='${root}' BAKE_KEYS='' BUILDER_NAME=''\n${prelude}\n${script}`,
    );
    assert.equal(exitCode, 0, stderr as string);
    return stdout as string;
  }

  const verdicts = async (files: readonly [path: string, content: string][]): Promise<string[]> => {
    // Each file goes below its own folder, so that several can have the same path.
    for (const [index, [path, content]] of files.entries()) await put(`/case${index}${path}`, content);
    const paths = files.map(([path], index) => `'/case${index}${path}'`).join(" ");
    return (await run(`for path in ${paths}; do if holds_credential "$path"; then echo yes; else echo no; fi; done`))
      .trimEnd()
      .split("\n");
  };

  it("ignores settings of tools", async () => {
    const found = await verdicts(harmless);
    assert.deepEqual(
      harmless.filter((_, index) => found[index] !== "no"),
      [],
    );
  });

  it("finds files with a key, a token or a password", async () => {
    const found = await verdicts(credentials);
    assert.deepEqual(
      credentials.filter((_, index) => found[index] !== "yes"),
      [],
    );
  });

  describe("behind links", () => {
    const aws = "[default]\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
    const docker = '{"auths":{"r.example.com":{"auth":"bWU6c2VjcmV0"}}}\n';
    const key = "-----BEGIN OPENSSH PRIVATE KEY-----\n";

    async function link(path: string, target: string): Promise<void> {
      await mkdir(dirname(root + path), { recursive: true });
      await symlink(target, root + path);
    }

    /** @returns what the assertions of some checklist lines find, sorted. */
    async function findings(...ids: string[]): Promise<string[]> {
      const { stdout } = await bash(`export ROOT='${root}'\n${assertSealedScript({ bakeKeys: [] })}`);
      const lines = String(stdout).split("\n");
      assert.ok(lines.includes("ok - histories"), String(stdout));
      return lines
        .flatMap((line) => {
          const [, id, found] = /^not ok - ([a-z-]+): (.*) \(.*\)$/.exec(line) ?? [];
          return found && ids.includes(id) ? [found] : [];
        })
        .sort();
    }

    it("are found where the link leads within the image: to folders and files, from homes behind links", async () => {
      await put("/etc/passwd", "root:x:0:0::/root:/bin/bash\nci:x:1000:1000::/home/ci:/bin/bash\n");
      await put("/data/aws/credentials", aws);
      await put("/data/aws/config", "[default]\nregion = eu-west-1\n");
      await link("/root/.aws", "/data/aws");
      await put("/data/docker/settings", docker);
      await link("/root/.docker/config.json", "../../data/docker/link");
      await link("/data/docker/link", "/data/docker/settings");
      await link("/home", "/srv/homes");
      // Told by the link's name, and in a folder behind a link.
      await put("/srv/logins", "machine git.example.com login me password hunter2\n");
      await link("/srv/homes/ci/.netrc", "/srv/logins");
      await link("/srv/homes/ci/.config", "/data/config");
      await put("/data/config/gh/hosts.yml", "github.com:\n    oauth_token: gho_abc\n");
      await put("/data/rclone", "[x]\ntype = sftp\npass = obscured\n");
      await link("/data/config/rclone/rclone.conf", "/data/rclone");
      assert.deepEqual(await findings("cloud-credentials"), [
        "/data/aws/credentials",
        "/data/config/gh/hosts.yml",
        "/data/docker/settings",
        "/data/rclone",
        "/srv/logins",
      ]);
    });

    it("are keys of users and of TLS, lines of environment files and keys that may log in, too", async () => {
      await put("/data/deploy", key);
      await link("/root/.ssh/deploy", "/data/deploy");
      await put("/etc/app/server.key", "-----BEGIN PRIVATE KEY-----\n");
      await link("/etc/ssl/private/server.key", "../../app/server.key");
      await put("/usr/share/doc/README", "no key\n");
      await link("/etc/ssl/private/README", "/usr/share/doc/README");
      await put("/opt/app/env.sh", "export DEPLOY_TOKEN=abc\n");
      await link("/etc/profile.d/app.sh", "/opt/app/env.sh");
      await put("/data/sources.list", "deb https://me:hunter2@apt.example.com x main\n");
      await link("/etc/apt/sources.list", "/data/sources.list");
      await put("/data/authorized_keys", "ssh-ed25519 AAAAC3Nza\n");
      await link("/root/.ssh/authorized_keys", "/data/authorized_keys");
      const ids = ["user-keys", "tls-keys", "environment-secrets", "cloud-credentials", "authorized-keys"];
      assert.deepEqual(await findings(...ids), [
        "/data/authorized_keys: 1 key(s) that no module put there",
        "/data/deploy",
        "/etc/app/server.key",
        "/etc/apt/sources.list: a password in an address",
        "/opt/app/env.sh: a line with a secret",
      ]);
    });

    it("are not looked for outside of the image, in circles, in the system's folders and in programs", async () => {
      const outside = await mkdtemp(join(tmpdir(), "ci-images-outside-"));
      try {
        await writeFile(join(outside, "credentials"), aws);
        await writeFile(join(outside, ".npmrc"), "//npm.example.com/:_authToken=0123-4567\n");
        await link("/root/.aws", outside);
        await link("/root/.npmrc", join(outside, ".npmrc"));
        await link("/root/.pypirc", `${"../".repeat(20)}${outside.slice(1)}/credentials`);
        await link("/root/.config", outside);
        await put(`/etc/passwd`, `root:x:0:0::/root:/bin/bash\nother:x:1:1::/srv/other:/bin/sh\n`);
        await link("/srv/other", outside);
        await link("/root/.netrc", ".netrc");
        await link("/root/.azure/a/b", "/root/.azure/b");
        await link("/root/.azure/b/a", "/root/.azure/a");
        await link("/root/.azure/all", "/");
        await link("/root/.azure/etc", "/etc");
        await link("/root/.azure/home", "/root");
        await put("/etc/app/settings.ini", "password = hunter2\n");
        await put("/opt/python", "\x7fELF password=abc\n");
        await link("/root/.azure/bin/python", "/opt/python");
        await put("/opt/tool", "#!/bin/sh\ntoken=abc\n");
        await link("/root/.azure/bin/tool", "/opt/tool");
        await link("/root/.azure/gone", "/nowhere");
        assert.deepEqual(await findings("cloud-credentials"), []);
      } finally {
        await rm(outside, { recursive: true });
      }
    });

    it("are not looked for on another file system", async () => {
      await link("/root/.aws", "/mnt/aws");
      await mkdir(`${root}/mnt/aws`, { recursive: true });
      const script = `mount -t tmpfs tmpfs '${root}/mnt/aws' && echo 'aws_secret_access_key = abc' >'${root}/mnt/aws/credentials'
cat '${root}/mnt/aws/credentials'\nexport ROOT='${root}'\n${assertSealedScript({ bakeKeys: [] })}`;
      const { stdout } = await inNamespace(script);
      assert.match(String(stdout), /aws_secret_access_key[^]*^ok - cloud-credentials$/m);
    });

    it("stay if the recipe names them, by either of their paths", async () => {
      await put("/data/aws/credentials", aws);
      await link("/root/.aws", "/data/aws");
      await put("/data/npm", "_auth=bWU6cGFzcw==\n");
      await link("/root/.npmrc", "/data/npm");
      await put("/usr/lib/ci-images/kept-paths", "/root/.aws/credentials\n/data/npm\n");
      assert.deepEqual(await findings("cloud-credentials"), []);
    });

    it("go where the link leads, and the link stays", async () => {
      await put("/data/aws/credentials", aws);
      await put("/data/aws/config", "[default]\n");
      await link("/root/.aws", "/data/aws");
      await put("/opt/app/env.sh", "export A=b\nexport DEPLOY_TOKEN=abc\n");
      await chmod(`${root}/opt/app/env.sh`, 0o755);
      await link("/etc/profile.d/app.sh", "/opt/app/env.sh");
      // In a root of its own, so that no link leads out of it while things are removed.
      const functions = `set -euo pipefail\nROOT= BAKE_KEYS= BUILDER_NAME=\n${prelude}\n${liveFunctions}\nwork=/work rule=cloud-credentials`;
      const script = `${functions}\nmkdir /work\ncredential_files '~/.aws' | take_listed\nremove_secret_lines\n`;
      await writeFile(join(root, "script"), script);
      const { exitCode, stderr } = await inNamespace(`
for folder in usr bin lib lib64 proc dev etc/alternatives; do
  [ -e "/$folder" ] || continue
  if [ -L "/$folder" ]; then cp -a "/$folder" '${root}/'; else mkdir -p "${root}/$folder"; mount --rbind "/$folder" "${root}/$folder"; fi
done
exec chroot '${root}' /bin/bash /script`);
      assert.equal(exitCode, 0, String(stderr));
      assert.equal(await readFile(`${root}/data/aws/config`, "utf8"), "[default]\n");
      assert.equal(await readFile(`${root}/work/removed`, "utf8"), "cloud-credentials\t/data/aws/credentials\n");
      assert.equal(await readFile(`${root}/opt/app/env.sh`, "utf8"), "export A=b\n");
      for (const [path, target] of [
        ["root/.aws", "/data/aws"],
        ["etc/profile.d/app.sh", "/opt/app/env.sh"],
      ] as const)
        assert.equal(await readlink(join(root, path)), target);
    });
  });

  it("looks in every home, also in one whose name begins like that of a folder of the system", async () => {
    await put("/etc/passwd", "runner:x:1000:1000::/runner:/bin/bash\nbus:x:1:1::/run/bus:/bin/false\n");
    for (const home of ["/runner", "/run/bus"]) await put(`${home}/.npmrc`, "_auth=bWU6cGFzcw==\n");
    assert.equal((await run("credential_files '~/.npmrc'")).trim(), "/runner/.npmrc");
  });

  it("finds users' keys wherever sshd's settings look for them", async () => {
    await put("/etc/passwd", "root:x:0:0::/root:/bin/bash\nci:x:1000:1000::/home/ci:/bin/bash\n");
    await put("/etc/ssh/sshd_config", "AuthorizedKeysFile\t.ssh/authorized_keys /etc/ssh/keys/%u/list\n");
    await put("/etc/ssh/sshd_config.d/x.conf", 'authorizedkeysfile="%h/.keys"\nAuthorizedKeysFile none\n');
    const places = ["/etc/ssh/authorized_keys.d/ci", "/etc/ssh/keys/ci/list", "/home/ci/.keys"];
    const usual = [
      "/home/ci/.ssh/authorized_keys",
      "/home/ci/.ssh/authorized_keys.d/ignition",
      "/root/.ssh/authorized_keys2",
    ];
    for (const path of [...places, ...usual]) await put(path, "ssh-ed25519 AAAAC3Nza\n");
    await put("/home/ci/.ssh/config", "Host *\n");
    const found = (await run("authorized_files")).trim().split("\n");
    assert.deepEqual(found, [...places, ...usual].sort());
  });

  it("finds lines of an environment file that contain a secret value itself", async () => {
    await put("/etc/environment", environment.map(([line]) => `${line}\n`).join(""));
    const numbers = (await run(`secret_line_numbers "$ROOT/etc/environment"`)).trim().split("\n");
    const expected = environment.flatMap(([, isSecret], index) => (isSecret ? [String(index + 1)] : []));
    assert.deepEqual(numbers, expected);
    const known = environment.map(([line]) => isSecretLine(line));
    assert.deepEqual(
      known,
      environment.map(([, isSecret]) => isSecret),
      "modules go by the same rules",
    );
  });

  it("leaves lines that module environment has from the recipe, and only these", async () => {
    const values = { POSTGRES_PASSWORD: "postgres", DATABASE_URL: "postgres://test:test@localhost/db", LANG: "C" };
    const folder = new ModuleCatalogue([libraryFolder]);
    const options = { module: "environment", folder: ".", requireSecret: () => {} };
    const recorded = new RecordingRoot({ ...options, distribution: findDistribution("debian12") });
    await (await folder.load("environment")).modify("environment", recorded, { environment: values });
    const scripts = recorded.steps.map((step) => (step.kind === "script" ? step.script : "")).join("");
    const files = scripts
      .replaceAll("/etc/", `${root}/etc/`)
      .replaceAll("/usr/lib/ci-images", `${root}/usr/lib/ci-images`)
      .replaceAll("-o root -g root", "");
    await put("/etc/environment", "POSTGRES_PASSWORD=another\n");
    const { exitCode, stderr } = await bash(`set -eu\nsystemctl() { :; }\n${files}\n${files}`);
    assert.equal(exitCode, 0, String(stderr));
    assert.equal((await run("environment_secrets")).trim(), "");
    await put("/etc/environment", "POSTGRES_PASSWORD=postgres\nPOSTGRES_PASSWORD=another\n");
    assert.equal((await run(`secret_line_numbers "$ROOT/etc/environment"`)).trim(), "2");
  });

  it("finds passwords in settings of package sources and their proxies, and tokens in npm's global files", async () => {
    const files: readonly [path: string, content: string, finding?: string][] = [
      ["/etc/yum.repos.d/a.repo", "[a]\nusername=me\npassword=hunter2\n", "a password"],
      ["/etc/yum.repos.d/b.repo", "[b]\nbaseurl=https://me:hunter2@b.example.com\n", "a password in an address"],
      ["/etc/yum.repos.d/c.repo", "[c]\n# password=hunter2\npassword=\npassword = $secret\nproxy=_none_\n"],
      ["/etc/dnf/dnf.conf", "[main]\nproxy_username = me\n  proxy_password = hunter2\n", "a password"],
      ["/etc/yum.conf", "[main]\nproxy_password=hunter2\n", "a password"],
      ["/usr/etc/npmrc", "//npm.example.com/:_authToken=0123-4567\n", ""],
      ["/usr/local/etc/npmrc", "_auth=bWU6cGFzcw==\n", ""],
    ];
    for (const [path, content] of files) await put(path, content);
    const script = assertSealedScript({ bakeKeys: [] });
    const { stdout } = await bash(`export ROOT='${root}'\n${script}`);
    const found = [...String(stdout).matchAll(/^not ok - cloud-credentials: (.*) \(.*\)$/gm)].map(([, each]) => each);
    const expected = files.flatMap(([path, , text]) => (text === undefined ? [] : [text ? `${path}: ${text}` : path]));
    assert.deepEqual(found.sort(), expected.sort());
  });

  it("recognizes core dumps by their format, not by their name", async () => {
    const elf = (type: number) => `\x7fELF\x02\x01\x01${"\0".repeat(9)}${String.fromCharCode(type)}\0`;
    await put("/root/core", elf(4));
    await put("/home/ci/core.12", elf(4));
    await put("/home/ci/core.13", elf(2));
    await put("/core/README", "a checkout");
    assert.deepEqual((await run("core_dumps")).trim().split("\n").sort(), ["/home/ci/core.12", "/root/core"]);
  });
});
