// Creates SSH key pairs for bakes and hosts.
import ssh2 from "ssh2";

/** An ed25519 pair. */
export interface SshKeyPair {
  /** One authorized_keys line. */
  publicKey: string;
  /** OpenSSH format, unencrypted. */
  privateKey: string;
}

/**
 * Creates a pair. ssh2 drops leading zero bytes of a public key, so about one pair in 200 is damaged and unreadable
 * (mscdex/ssh2 #1390, #1513): such a pair is discarded.
 * @param comment The end of the public key's line.
 */
export function makeSshKeyPair(comment = ""): SshKeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    if (isWhole(pair.public) && isWhole(pair.private)) return { publicKey: pair.public, privateKey: pair.private };
  }
}

function isWhole(key: string): boolean {
  return !(ssh2.utils.parseKey(key) instanceof Error);
}
