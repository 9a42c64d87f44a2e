// Downloads upstream releases on the builder, only over https, and checks their sha256.
import type { Root } from "../../module.ts";
import { quote } from "../../shell/shell.ts";

/** A file to download. */
export interface Download {
  /** Its address, `https://...`. */
  url: string;
  /** Its sha256, 64 hex digits. */
  sha256: string;
}

/** The architectures that images are made for, as `uname -m` prints them. */
export type Architecture = "x86_64" | "aarch64";

/** Where module proxy writes the proxy's variables. Downloads read them in every session. */
export const proxyVariables = "/etc/proxy.env";

/** The settings of every module with a download, to spread into a schema's `properties`. */
export const downloadSettings = {
  sha256: {
    type: "string",
    pattern: "^[0-9a-fA-F]{64}$",
    description: "The sha256 of the downloaded file, 64 hex digits. Upstream publishes it next to the file.",
    examples: ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  },
  architecture: {
    type: "string",
    enum: ["x86_64", "aarch64"],
    default: "x86_64",
    description: "The architecture of the builder and the workers; upstream has a file for each.",
    examples: ["aarch64"],
  },
  url: {
    type: "string",
    pattern: "^https://[^\\s]+$",
    description: "A mirror to download the file from, instead of upstream's address.",
    examples: ["https://mirror.example.com/releases/file.tar.gz"],
  },
};

/** The values of {@link downloadSettings}. */
export interface DownloadSettings {
  sha256: string;
  architecture?: Architecture;
  url?: string;
}

/**
 * Records the packages that a download needs. curl is requested by path, because Amazon Linux and Rocky may have it in
 * the package curl-minimal.
 */
export function requireCurl(root: Root): void {
  root.packages({
    apt: ["ca-certificates", "curl", "tar", "gzip"],
    dnf: ["ca-certificates", "/usr/bin/curl", "tar", "gzip"],
  });
}

/**
 * Bash that downloads a file and checks it. Ends the script with a message if the digest or the builder's architecture
 * is wrong.
 * @param download The file. Without a digest the caller must check it in another way.
 * @param architecture The file's architecture; undefined for any.
 * @param destination Bash for its path on the builder, quoted: `"$work/archive"`.
 */
export function fetchScript(
  { url, sha256 }: Pick<Download, "url"> & Partial<Download>,
  architecture: Architecture | undefined,
  destination: string,
): string {
  return [
    ...(architecture ? [requireArchitecture(architecture)] : []),
    `\
if [ -r ${proxyVariables} ]; then
  set -a
  # shellcheck disable=SC1091 # it is on the builder
  . ${proxyVariables}
  set +a
fi
curl --fail --silent --show-error --location --proto =https --proto-redir =https --retry 3 --connect-timeout 30 --output ${destination} -- ${quote(url)}`,
    ...(sha256 === undefined ? [] : [requireDigest(sha256, destination)]),
  ].join("\n");
}

function requireArchitecture(architecture: Architecture): string {
  return `\
if [ "$(uname -m)" != ${architecture} ]; then
  echo "this machine's processor is $(uname -m), and the recipe asks for ${architecture}: set architecture, and the sha256 of that file" >&2
  exit 1
fi`;
}

function requireDigest(sha256: string, destination: string): string {
  return `\
found=$(sha256sum <${destination} | cut -d' ' -f1)
expected=${quote(sha256)}
if [ "$found" != "\${expected,,}" ]; then
  echo "the file is not the one that the recipe means: its sha256 is $found; look whether the setting sha256 is for this version and processor" >&2
  exit 1
fi`;
}

/** An installation by {@link installScript}. */
export interface Installation {
  /** The target folder, absolute: `/opt/node/22.11.0`. */
  folder: string;
  download: Download;
  architecture: Architecture;
  /**
   * Bash that unpacks "$work/archive" into "$folder", which is empty; by default, unpacks a tar without its first path
   * component.
   */
  unpack?: string;
}

/** Unpacks a tar, without that many leading path components. */
export function unpackScript(stripComponents: number): string {
  return `tar --extract --file="$work/archive" --strip-components=${stripComponents} --no-same-owner --directory="$folder"`;
}

/**
 * Bash that downloads and unpacks a release into its own folder. Skips a finished folder, which contains the digest,
 * and starts over with an unfinished one from an interrupted bake.
 */
export function installScript({ folder, download, architecture, unpack = unpackScript(1) }: Installation): string {
  return `\
folder=${quote(folder)}
if [ "$(cat "$folder/.sha256" 2>/dev/null)" != ${quote(download.sha256)} ]; then
  work=$(mktemp -d /var/tmp/ci-images-download.XXXXXX)
  trap 'rm -rf "$work"' EXIT
${fetchScript(download, architecture, '"$work/archive"')}
  rm -rf "$folder"
  mkdir -p "$folder"
  ${unpack}
  printf '%s\\n' ${quote(download.sha256)} >"$folder/.sha256"
fi`;
}
