// Small recipes for life-cycle tests: quick to bake, easy to break.

/** A recipe whose only module writes a file. */
export function tinyRecipe(content = "one", more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "tiny",
    distribution: "debian12",
    size: "2G",
    modules: ["files"],
    files: [{ path: "/etc/tiny", content: `${content}\n` }],
    tests: [{ name: "the file is there", run: "test -s /etc/tiny" }],
    ...more,
  };
}

/** A recipe that writes the file, then runs a script. */
export function scriptRecipe(script: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return tinyRecipe("one", { modules: ["files", "run"], run: [script], ...more });
}

/** A module's script that closes ordinary logins and breaks sudo. The bake must continue after it. */
export const closeLogins = `
printf '%s\\n' 'Port 2222' 'PermitRootLogin no' 'AllowUsers nobody' >/etc/ssh/sshd_config.d/closed.conf
systemctl restart ssh.service
sed -i '1i account required pam_deny.so' /etc/pam.d/sshd /etc/pam.d/sudo
rm -f /etc/sudoers.d/*
echo 'this is no sudoers file' >/etc/sudoers.d/broken
echo closed >/etc/nologin`;
