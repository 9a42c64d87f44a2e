// The shell functions that the checklist uses. All of them respect ROOT: empty on a running machine, the root's folder
// for a stopped one. Paths are printed as they will be in the image.
import { doorPort } from "../builder/door.ts";
import { keptKeysFile, keptPathsFile, keptSecretsFile, madePathsFile } from "./kept.ts";
import { guestFile } from "./scripts.ts";

/** Bash that precedes every removal and check. Needs ROOT, BAKE_KEYS (lines of public keys) and BUILDER_NAME. */
export const prelude = `\
shopt -s nullglob dotglob extglob
export LC_ALL=C
# Before 4.4 an empty array counts as not set.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then set +u; fi
ROOT=\${ROOT%/}

${guestFile("files.sh")}
${part("paths.sh")}
${part("accounts.sh")}
# --- secrets
${guestFile("credentials.sh")}
${guestFile("dumps.sh")}
${part("secrets.sh")}
${part("traces.sh")}
${guestFile("keys.sh")}
`;

function part(name: string): string {
  return guestFile(name, {
    DOOR_PORT: String(doorPort),
    KEPT_KEYS_FILE: keptKeysFile,
    KEPT_PATHS_FILE: keptPathsFile,
    KEPT_SECRETS_FILE: keptSecretsFile,
    MADE_PATHS_FILE: madePathsFile,
  });
}
