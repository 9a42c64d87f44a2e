# Fakes of what the old workers' modules fetch from the internet. Makes them on the builder and serves them there at
# https://localhost:8443, with a certificate that the builder trusts. Prints their checksums and other values for the
# recipe, one `key value` per line. Runs as root on Debian 12.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >&2
apt-get -q -y install --no-install-recommends ca-certificates curl gnupg openssl python3-venv ruby docker-registry bzip2 >&2

site=/srv/fixtures
mkdir -p "$site"
cd "$site"

# The server's certificate is self-signed and also serves as the certificate authority.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout /srv/key.pem -out /srv/certificate.pem 2>/dev/null
cp /srv/certificate.pem /usr/local/share/ca-certificates/fixtures.crt
update-ca-certificates >&2

# git: a source tree with a Makefile.
mkdir -p git-9.9.9
cat >git-9.9.9/git <<'END'
#!/bin/sh
case "$1" in --exec-path) echo /usr/local/libexec/git-core ;; *) echo "git version 9.9.9" ;; esac
END
chmod 0755 git-9.9.9/git
printf 'all:\n\ttest "$(prefix)" = /usr/local\ninstall:\n\tinstall -D git $(prefix)/bin/git\n\tinstall -D git $(prefix)/libexec/git-core/git-remote-https\n' >git-9.9.9/Makefile
tar -czf git-9.9.9.tar.gz git-9.9.9
echo "git $(sha256sum <git-9.9.9.tar.gz | cut -d' ' -f1)"

# PyPy.
mkdir -p pypy3.10-v9.9.9-linux64/bin
cat >pypy3.10-v9.9.9-linux64/bin/pypy3.10 <<'END'
#!/bin/sh
echo "Python 3.10.14 (0123456789ab, Jan 01 2026, 00:00:00)"
echo "[PyPy 9.9.9 with GCC 10.2.1]"
END
chmod 0755 pypy3.10-v9.9.9-linux64/bin/pypy3.10
ln -s -f pypy3.10 pypy3.10-v9.9.9-linux64/bin/pypy3
ln -s -f pypy3.10 pypy3.10-v9.9.9-linux64/bin/pypy
tar -cjf pypy.tar.bz2 pypy3.10-v9.9.9-linux64
echo "pypy $(sha256sum <pypy.tar.bz2 | cut -d' ' -f1)"

# fpm: a gem with one command.
mkdir -p gem/bin gems
printf '#!/usr/bin/env ruby\nputs "9.9.9"\n' >gem/bin/fpm
chmod 0755 gem/bin/fpm
cat >gem/fpm.gemspec <<'END'
Gem::Specification.new do |gem|
  gem.name = "fpm"
  gem.version = "9.9.9"
  gem.summary = "a fake"
  gem.authors = ["nobody"]
  gem.files = ["bin/fpm"]
  gem.executables = ["fpm"]
end
END
(cd gem && gem build --quiet --output ../gems/fpm-9.9.9.gem fpm.gemspec >&2 2>/dev/null)
gem generate_index --quiet --directory "$site" >&2

# A package index: pip itself, with a version number that does not exist, and two projects' wheels.
python3 - <<'END'
import glob, hashlib, os, re, zipfile

def wheel(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)

def serve(project, name):
    os.makedirs(f"simple/{project}", exist_ok=True)
    with open(f"simple/{project}/index.html", "w") as page:
        page.write(f'<a href="/{name}">{name}</a>\n')

old = zipfile.ZipFile(glob.glob("/usr/share/python-wheels/pip-*.whl")[0])
version = re.search(r"pip-([0-9.]+)\.dist-info", " ".join(old.namelist())).group(1)
files = {}
for name in old.namelist():
    content = old.read(name)
    if name in ("pip/__init__.py", f"pip-{version}.dist-info/METADATA"):
        content = content.replace(version.encode(), b"99.0")
    if name == f"pip-{version}.dist-info/RECORD":
        content = "".join(f"{re.sub('^pip-' + re.escape(version), 'pip-99.0', each)},,\n" for each in old.namelist()).encode()
    files[name.replace(f"pip-{version}.dist-info", "pip-99.0.dist-info")] = content
wheel("pip-99.0-py3-none-any.whl", files)
serve("pip", "pip-99.0-py3-none-any.whl")

for project in ("ci-demo", "ci-other"):
    module = project.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    requires = "Requires-Dist: ci-other\n" if project == "ci-demo" else ""
    wheel(f"{module}-1.0-py3-none-any.whl", {
        f"{module}.py": "answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: nobody\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    })
    serve(project, f"{module}-1.0-py3-none-any.whl")
END
echo "pip $(sha256sum <pip-99.0-py3-none-any.whl | cut -d' ' -f1)"

# An apt repository without suites, signed by a key that is served both ASCII-armored and binary.
mkdir -p debs package/DEBIAN package/opt
echo "from a repository" >package/opt/ci-repository
printf 'Package: ci-repository\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a test\n' >package/DEBIAN/control
dpkg-deb --root-owner-group --build package debs/ci-repository_1.0_all.deb >&2
cd debs
{
  dpkg-deb --field ci-repository_1.0_all.deb
  printf 'Filename: ./ci-repository_1.0_all.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s ./*.deb)" "$(sha256sum ./*.deb | cut -d' ' -f1)"
} >Packages
{
  printf 'Date: %s\nSHA256:\n' "$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')"
  printf ' %s %s Packages\n' "$(sha256sum <Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"
} >Release
export GNUPGHOME=/srv/gnupg
install -d -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'a test <nobody@example.com>' rsa2048 sign never >&2
gpg --batch --quiet --clearsign --output InRelease Release
cp -r "$site/debs" "$site/debs-again"
gpg --batch --armor --export >"$site/key.asc"
gpg --batch --export >"$site/key.gpg"
gpg --batch --quiet --passphrase '' --quick-generate-key 'another <other@example.com>' rsa2048 sign never >&2
gpg --batch --armor --export >"$site/two-keys.asc"
echo "key $(sha256sum <"$site/key.gpg" | cut -d' ' -f1)"
echo "fingerprint $(gpg --show-keys --with-colons "$site/key.asc" | awk -F: '$1 == "fpr" { print $10; exit }')"
gpgconf --kill all

# Docker's registry without authentication, because only the builder can reach it.
sed -i '/^auth:/,/^health:/{/^health:/!d}' /etc/docker/registry/config.yml
systemctl restart docker-registry

cat >/srv/serve.py <<'END'
import functools, http.server, ssl

class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        # Like real package indexes, declare files as immutable, so that pip caches them.
        if self.path.endswith(".whl"):
            self.send_header("Cache-Control", "max-age=365000000, immutable")
        super().end_headers()

handler = functools.partial(Handler, directory="/srv/fixtures")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/certificate.pem", "/srv/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
END
systemd-run --quiet --unit=fixtures python3 /srv/serve.py
for ((i = 0; i < 50; i++)); do
  if curl --silent --fail --output /dev/null https://localhost:8443/simple/pip/; then exit 0; fi
  sleep 0.1
done
echo "the fixtures are not served" >&2
exit 1
