// A package repository on the image itself, with holds and pins.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes a local package repository and holds packages";

export function modify(_name: string, root: Root): void {
  root.packages(["dpkg-dev"]);
  root.run(`
    mkdir -p /srv/debs/package/DEBIAN /srv/debs/package/opt
    printf 'Package: field-package\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: nobody <nobody@example.com>\\nDescription: a test\\n' >/srv/debs/package/DEBIAN/control
    echo field >/srv/debs/package/opt/field-package
    dpkg-deb --root-owner-group --build /srv/debs/package /srv/debs/field-package_1.0_all.deb
    cd /srv/debs && dpkg-scanpackages . >Packages
    echo 'deb [trusted=yes] file:/srv/debs ./' >/etc/apt/sources.list.d/local.list
    printf 'Package: *\\nPin: release o=Debian,n=bookworm-updates\\nPin-Priority: 100\\n' >/etc/apt/preferences.d/field
    printf 'path-exclude=/usr/share/doc/*\\npath-include=/usr/share/doc/*/copyright\\npath-exclude=/usr/share/man/*\\n' >/etc/dpkg/dpkg.cfg.d/field`);
  root.packages(["field-package", "hello"]);
  root.run("apt-mark hold hello openssh-server");
  root.check(
    "the package comes from the local repository",
    "[ \"$(cat /opt/field-package)\" = field ] && dpkg -s field-package | grep -q 'Version: 1.0'",
  );
  root.check(
    "packages are still held and manual pages are not installed",
    "apt-mark showhold | grep -qx hello && [ ! -e /usr/share/man/man1/hello.1.gz ]",
  );
}
