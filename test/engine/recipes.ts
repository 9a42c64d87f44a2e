// Small recipes for tests of the life cycle: quick to bake, and easy to make fail.

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

/** A recipe whose module runs a script after the file was written. */
export function scriptRecipe(script: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return tinyRecipe("one", { modules: ["files", "run"], run: [script], ...more });
}

/** A script after which nobody can log in as people do, or use sudo; it is a module's, and the steps after it go on. */
export const closeLogins = `
printf '%s\\n' 'Port 2222' 'PermitRootLogin no' 'AllowUsers nobody' >/etc/ssh/sshd_config.d/closed.conf
systemctl restart ssh.service
sed -i '1i account required pam_deny.so' /etc/pam.d/sshd /etc/pam.d/sudo
rm -f /etc/sudoers.d/*
echo 'this is no sudoers file' >/etc/sudoers.d/broken
echo closed >/etc/nologin`;
