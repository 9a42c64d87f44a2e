// Gives root a private SSH key of the project's own, with which acceptance tests reach other machines. The secret is in
// the image, readable for root: anybody who may boot the image has it, so use the key for nothing else.
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
  description: "The key; its value belongs into a secret: `key: { secret: ROOT_KEY }`.",
  examples: [{ key: "-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n" }],
  properties: {
    key: {
      type: "string",
      minLength: 1,
      description: `The private key, without a passphrase, as ssh-keygen writes it. It gets to ${path}, whatever its kind.`,
      examples: ["-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n"],
    },
  },
};

/** The settings under `root_key`. */
interface Settings {
  key: string;
}

/**
 * Records the key, its public half, and that sealing must leave both alone. The script fails if it is no private key,
 * or has a passphrase.
 */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { key } = settingsOf<Settings>(cfg, "root_key", { key: "" });
  root.packages({ apt: ["openssh-client"], dnf: ["openssh-clients"] });
  root.run("install -d -m 0700 /root/.ssh");
  root.file(path, key, { mode: "0600" });
  root.run(
    [
      // A secret may have lost its final line break, and ssh refuses a key without it.
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
