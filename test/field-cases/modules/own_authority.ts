// A script, not a module, adds a custom certificate authority and removes one of the distribution's.
import type { Root } from "../../../provision/module.ts";

export const description = "Adds a certificate authority with a script";

export function modify(_name: string, root: Root): void {
  root.packages(["ca-certificates", "libnss3-tools", "openssl"]);
  root.run(`
    mkdir -p /usr/local/share/ca-certificates/company
    if [ ! -s /usr/local/share/ca-certificates/company/field.crt ]; then
      work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
      openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Field authority' -keyout "$work/ca.key" -out /usr/local/share/ca-certificates/company/field.crt
      openssl req -newkey rsa:2048 -nodes -subj /CN=ci.example.com -keyout "$work/key" -out "$work/csr"
      openssl x509 -req -in "$work/csr" -CA /usr/local/share/ca-certificates/company/field.crt -CAkey "$work/ca.key" -CAcreateserial -days 3650 -out /opt/field-server.crt
      rm -f /usr/local/share/ca-certificates/company/*.srl
    fi
    sed -i 's/^mozilla\\/GTS_Root_R4.crt/!&/' /etc/ca-certificates.conf
    update-ca-certificates
    install -d -o ${root.loginUser} /opt/field-nssdb
    [ -e /opt/field-nssdb/cert9.db ] || certutil -N -d sql:/opt/field-nssdb --empty-password
    certutil -A -d sql:/opt/field-nssdb -n field -t C,, -i /usr/local/share/ca-certificates/company/field.crt`);
  root.check("OpenSSL trusts the authority", "openssl verify -CApath /etc/ssl/certs /opt/field-server.crt");
  root.check("NSS trusts the authority", "certutil -L -d sql:/opt/field-nssdb -n field | grep -q 'Field authority'");
  root.check("the removed authority is not trusted", "[ ! -e /etc/ssl/certs/GTS_Root_R4.pem ]");
}
