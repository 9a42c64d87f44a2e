// The parts of sealing on the running builder besides the checklist: stops everything that would still write, and names
// the image.
import { keptKeysFile, keptPathsFile, ownFolder } from "./kept.ts";
import { guestFile, keyWriters } from "./scripts.ts";
import { feed, quoteAll } from "../shell/shell.ts";

/** Bash functions for the running builder, in addition to the prelude's. */
export const liveFunctions = [guestFile("quiet.sh"), guestFile("remove.sh"), keyWriters].join("\n");

/** The identity that a sealed image contains. */
export interface ImageIdentity {
  /** The recipe's name; becomes IMAGE_ID in os-release. */
  name: string;
  /** The recipe hash; its first 12 characters become IMAGE_VERSION. */
  recipe: string;
  /** The base image: its id, and its description for people. */
  base: { id: string; description: string };
  /** More facts for /etc/ci-images.json: tool versions, the project's version. No secrets. */
  facts?: Readonly<Record<string, unknown>>;
}

/** Bash that writes IMAGE_ID and IMAGE_VERSION into os-release, and /etc/ci-images.json. */
export function identityScript({ name, recipe, base, facts }: ImageIdentity): string {
  // os-release(5) allows no other characters in either.
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9._-]/g, "-");
  const manifest = { name, recipe, base, ...facts, packagesSha256: "@PACKAGES@", sealedAt: "@NOW@" };
  return `\
sed -i -E '/^IMAGE_(ID|VERSION)=/d' "$(os_release)"
printf '%s\\n' IMAGE_ID=${plain(name)} IMAGE_VERSION=${plain(recipe).slice(0, 12)} >>"$(os_release)"
packages=$(package_list | sha256sum | cut -d' ' -f1)
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
sed "s/@PACKAGES@/$packages/; s/@NOW@/$now/" >/etc/ci-images.json ${feed(`${JSON.stringify(manifest, undefined, 2)}\n`)}
chmod 0644 /etc/ci-images.json
`;
}

/** Bash that adds to the lists of kept paths and keys. */
export function keepMore(paths: readonly string[], keys: readonly string[]): string {
  const lines = [`install -d ${ownFolder}`];
  if (paths.length > 0) lines.push(`printf '%s\\n' ${quoteAll(paths)} >>${keptPathsFile}`);
  if (keys.length > 0) lines.push(`printf '%s\\n' ${quoteAll(keys)} >>${keptKeysFile}`);
  return `${lines.join("\n")}\n`;
}
