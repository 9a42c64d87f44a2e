// The bash program that receives an upload on the builder: a tar stream (common/pack.ts) that follows the program
// itself on standard input. bash reads a script from there byte by byte, so everything after the last line is left for
// tar.
import { packedName } from "../../common/pack.ts";
import { uploadPrefix } from "./builder-folders.ts";
import { sha256 as sha256Of } from "../plan/digest.ts";
import { quote } from "../shell/shell.ts";

/**
 * Renders the program, to be sent on the standard input of `runAsRoot` with the stream right after it.
 *
 * It unpacks beside `destination` and renames the result only if the stream's sha256 is right, so an upload is complete
 * or missing. Root owns everything, and modification times are those of the arrival.
 * @param sha256 The stream's sha256, hexadecimal.
 * @param hasCapabilities Whether the stream has extended attributes, which some versions of tar warn about.
 */
export function receiveProgram(destination: string, sha256: string, hasCapabilities: boolean): string {
  const attributes = hasCapabilities ? " --xattrs --xattrs-include=security.capability" : "";
  const incoming = `${uploadPrefix}incoming-${sha256Of(destination).slice(0, 16)}`;
  return `\
# ci-images: an upload
main() {
set -euo pipefail
umask 077
cd /
unset BASH_ENV TAR_OPTIONS
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
destination=${quote(destination)}
wanted=${sha256}
# What attempts left whose connection was lost.
rm -rf ${incoming}.*
work=$(mktemp -d ${incoming}.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkfifo "$work/stream"
sha256sum <"$work/stream" >"$work/sha256" &
tee "$work/stream" | tar --extract --file=- --directory="$work" --preserve-permissions --same-owner --numeric-owner --touch${attributes}
wait $!
read -r found _ <"$work/sha256"
if [ "$found" != "$wanted" ]; then
  echo "what arrived has the sha256 $found, and not $wanted" >&2
  exit 1
fi
rm -rf "$destination"
mv -T "$work/${packedName}" "$destination"
}
main; exit
`;
}
