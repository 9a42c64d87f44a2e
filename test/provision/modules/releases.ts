// Fake upstream releases: archives with the layout of the real ones, whose commands are shell scripts. A server inside
// the builder serves them over https, with a certificate from the test's own certificate authority.
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { must, type RealBuilder } from "./real-builder.ts";

/** A release's settings for a module. */
export interface Release {
  url: string;
  sha256: string;
}

const port = 8443;

/** Files of a release: scripts by path; `-> target` makes a link. */
type Files = Readonly<Record<string, string>>;

const says = (text: string) => `#!/bin/sh\necho "${text}"\n`;

const nodeFiles = (version: string): Files => ({
  "bin/node": says(`v${version}`),
  "bin/npm": "-> ../lib/node_modules/npm/bin/npm-cli.js",
  "lib/node_modules/npm/bin/npm-cli.js": `#!/bin/sh\nnode --version >/dev/null && cat "$(dirname "$(readlink -f "$0")")/../npmrc" 2>/dev/null || echo 10.9.0\n`,
});

const pythonFiles = (version: string): Files => {
  const command = `python${version.split(".").slice(0, 2).join(".")}`;
  return {
    // Everything except the version and pip is the distribution's Python.
    [`bin/${command}`]: `#!/bin/sh
case "$*" in
  --version) echo "Python ${version}" ;;
  "-m pip "*) echo "pip of ${version}" ;;
  *) exec /usr/bin/python3 "$@" ;;
esac
`,
    "bin/python3": `-> ${command}`,
  };
};

/** Accepts the real installer's options and refuses others. */
const rustInstaller = `#!/bin/bash
set -eu
for option in "$@"; do
  case $option in
    --prefix=*) prefix=\${option#*=} ;;
    --disable-ldconfig | --without=rust-docs) ;;
    *) echo "unknown option $option" >&2; exit 1 ;;
  esac
done
mkdir -p "$prefix/bin"
printf '#!/bin/sh\\necho "rustc 1.82.0 (f6e511eec 2024-10-15)"\\n' >"$prefix/bin/rustc"
printf '#!/bin/sh\\n"\${RUSTC:-rustc}" --version >/dev/null && echo "cargo 1.82.0 (8f40fc59f 2024-08-21)"\\n' >"$prefix/bin/cargo"
chmod 0755 "$prefix"/bin/*
`;

const githubFiles: Files = {
  "config.sh": `#!/bin/bash
if [ "$(id -u)" = 0 ]; then echo "Must not run with sudo" >&2; exit 1; fi
if [ "$1" = --version ]; then echo 2.321.0; exit; fi
echo "$ACTIONS_RUNNER_INPUT_TOKEN $HOME $*" >.runner
`,
  "bin/runsvc.sh": `#!/bin/bash\nexec sleep infinity\n`,
};

const gitlabRunner = `#!/bin/bash
set -eu
case $1 in
  --version) printf 'Version:      17.5.0\\nGit revision: 0\\n' ;;
  register) echo "$CI_SERVER_TOKEN $*" >/etc/gitlab-runner/config.toml ;;
  run) echo "$*" >/var/lib/gitlab-runner/ran; exec sleep infinity ;;
esac
`;

const buildkiteAgent = `#!/bin/bash
set -eu
case $1 in
  --version) echo "buildkite-agent version 3.87.1+9331.0, build 9331" ;;
  start) echo "$(id -un) $BUILDKITE_AGENT_TOKEN $BUILDKITE_AGENT_TAGS $*" >/var/lib/buildkite-agent/ran; exec sleep infinity ;;
esac
`;

/** Archives by name. `top` is the folder inside the archive. */
const archives: Readonly<Record<string, { top: string; files: Files }>> = {
  "node-22.11.0": { top: "node-v22.11.0-linux-x64", files: nodeFiles("22.11.0") },
  "node-20.18.1": { top: "node-v20.18.1-linux-x64", files: nodeFiles("20.18.1") },
  go: {
    top: "go",
    files: { "bin/go": says("go version go1.23.3 linux/amd64"), "bin/gofmt": says("formatted") },
  },
  rust: { top: "rust-1.82.0-x86_64-unknown-linux-gnu", files: { "install.sh": rustInstaller } },
  "python-3.12.13": { top: "python", files: pythonFiles("3.12.13") },
  "python-3.10.20": { top: "python", files: pythonFiles("3.10.20") },
  github: { top: ".", files: githubFiles },
  buildkite: { top: ".", files: { "buildkite-agent": buildkiteAgent } },
};

export class Releases {
  private constructor(
    private readonly folder: string,
    /** The certificate authority's certificate, which the builder must trust, as PEM. */
    readonly authority: string,
    private readonly all: ReadonlyMap<string, Release>,
  ) {}

  /** Makes the archives and certificates. @param folder An empty folder. */
  static async make(folder: string): Promise<Releases> {
    const served = join(folder, "served");
    await mkdir(served);
    const all = new Map<string, Release>();
    for (const [name, { top, files }] of Object.entries(archives)) {
      const tree = join(folder, name);
      await writeFiles(join(tree, top), files);
      await execa("tar", ["--create", "--gzip", `--file=${join(served, name)}`, `--directory=${tree}`, top]);
    }
    await writeFile(join(served, "gitlab"), gitlabRunner);
    for (const name of [...Object.keys(archives), "gitlab"]) {
      const sha256 = createHash("sha256")
        .update(await readFile(join(served, name)))
        .digest("hex");
      all.set(name, { url: `https://localhost:${port}/${name}`, sha256 });
    }
    await makeCertificates(folder);
    await writeFile(join(folder, "serve.py"), server);
    return new Releases(folder, await readFile(join(folder, "authority.pem"), "utf8"), all);
  }

  /** The settings of a release. @throws RangeError for an unknown name. */
  of(name: string): Release {
    const release = this.all.get(name);
    if (!release) throw new RangeError(`there is no release ${name}`);
    return release;
  }

  /** Serves the releases inside a builder, over https on localhost. */
  async serveIn(builder: RealBuilder): Promise<void> {
    const flags = ["--create", `--directory=${this.folder}`, "served", "serve.py", "server.pem", "server.key"];
    const { stdout } = await execa("tar", flags, { encoding: "buffer" });
    must(await builder.ssh("sudo mkdir /srv/releases && sudo tar --extract --directory=/srv/releases", stdout));
    must(
      await builder.asRoot(`systemd-run --quiet --unit=releases --working-directory=/srv/releases python3 serve.py ${port}
for ((i = 0; i < 100; i++)); do if (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null; then exit 0; fi; sleep 0.1; done
systemctl status --no-pager releases; exit 1`),
    );
  }
}

const server = `import functools, http.server, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="served")
with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler) as httpd:
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    httpd.serve_forever()
`;

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    if (content.startsWith("-> ")) await symlink(content.slice(3), path);
    else {
      await writeFile(path, content);
      await chmod(path, 0o755);
    }
  }
}

async function makeCertificates(folder: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"];
  const openssl = (...words: string[]) => execa("openssl", ["req", "-x509", ...key, ...words], { cwd: folder });
  await openssl("-subj", "/CN=Test authority", "-keyout", "authority.key", "-out", "authority.pem");
  const issued = ["-CA", "authority.pem", "-CAkey", "authority.key", "-addext", "basicConstraints=CA:false"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  await openssl(...issued, ...names, "-keyout", "server.key", "-out", "server.pem");
}
