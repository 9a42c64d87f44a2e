// PAM with private temporary folders, password quality checks and account locking, and NSS with more sources.
import type { Root } from "../../../provision/module.ts";

export const description = "Changes PAM and NSS";

export function modify(_name: string, root: Root): void {
  root.packages(["libpam-tmpdir", "libpam-pwquality", "libnss-myhostname", "libnss-systemd", "libpam-cap"]);
  root.run(`
    grep -q pam_faillock /etc/pam.d/common-auth || sed -i '0,/^auth/s/^auth/auth required pam_faillock.so preauth silent deny=5\\nauth/' /etc/pam.d/common-auth
    grep -q pam_mkhomedir /etc/pam.d/common-session || echo 'session optional pam_mkhomedir.so' >>/etc/pam.d/common-session`);
  root.check(
    "PAM and NSS use the modules",
    `grep -q pam_tmpdir /etc/pam.d/common-session; grep -q pam_pwquality /etc/pam.d/common-password; grep -q myhostname /etc/nsswitch.conf`,
  );
}
