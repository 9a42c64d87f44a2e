// Gives root one of the project's private SSH keys, with which acceptance tests reach other machines. The key is in the
// image, readable by root: anybody who can boot the image has it, so use it for nothing else.
import type { BuildConfiguration, Root } from "../module.ts";
import { keepScript, keepSecretScript } from "../seal/kept.ts";
import { holdsSecret } from "../shell/secret-text.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Gives root a private SSH key, from a secret of the stack";
export const settingsRequired = true;

const path = "/root/.ssh/id_rsa";

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["key"],
  description: "The key. Its value belongs in a secret: `key: { secret: ROOT_KEY }`.",
  examples: [{ key: "-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n" }],
  properties: {
    key: {
      type: "string",
      minLength: 1,
      description: `The private key, without a passphrase, as written by ssh-keygen. It is installed as ${path}, whatever its kind.`,
      examples: ["-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n"],
    },
  },
};

/** The settings under `root_key`. */
interface Settings {
  key: string;
}

/**
 * Records the key, its public half, and that sealing must keep both. The script fails if it is not a private key, or
 * has a passphrase.
 */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { key } = settingsOf<Settings>(cfg, "root_key", { key: "" });
  root.packages({ apt: ["openssh-client"], dnf: ["openssh-clients"] });
  root.run("install -d -m 0700 /root/.ssh");
  root.file(path, key, { mode: "0600" });
  root.run(
    [
      // A secret may have lost its final line break, without which ssh refuses a key.
      `if [ -n "$(tail -c 1 ${path})" ]; then echo >>${path}; fi`,
      `if ! ssh-keygen -y -P '' -f ${path} >${path}.pub; then`,
      `  rm -f ${path} ${path}.pub`,
      `  echo "root_key: that is no private SSH key without a passphrase" >&2`,
      `  exit 1`,
      `fi`,
      holdsSecret(key) ? keepSecretScript(path) : keepScript(path),
      keepScript(`${path}.pub`),
    ].join("\n"),
  );
  root.check(
    "root has a private SSH key, with mode 0600",
    `[ "$(stat -c %a:%U ${path})" = 600:root ] && [ "$(ssh-keygen -y -P '' -f ${path})" = "$(cat ${path}.pub)" ]`,
  );
}
