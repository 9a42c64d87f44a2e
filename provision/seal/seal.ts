// Sealing: renders the scripts that turn a used builder into an image. checklist.ts lists what must be removed and what
// must exist.
import { quote } from "../shell/shell.ts";
import { checklist, type ChecklistEntry } from "./checklist.ts";
import { identityScript, keepMore, liveFunctions, type ImageIdentity } from "./live.ts";
import { prelude } from "./prelude.ts";
import { guestFile } from "./scripts.ts";

export type { ImageIdentity } from "./live.ts";

/** The facts about the bake that sealing and its checks need. */
export interface AssertOptions {
  /** The public keys that the bake logged in with, as authorized_keys lines: they are always removed. */
  bakeKeys: readonly string[];
  /** The builder's host name, if it has its own: it is removed from /etc/hosts. */
  builderName?: string;
  /**
   * A file on the machine that runs the script, mode 0600, with the forms in which the bake's secrets may appear
   * (secret-patterns.ts), one per line. No file of the image may contain one.
   */
  secretsFile?: string;
}

/** The facts that the sealing script needs. */
export interface SealOptions extends AssertOptions {
  /** The image's identity. */
  image: ImageIdentity;
  /** Paths that stay although the checklist removes them, in addition to those that modules keep (see kept.ts). */
  keep?: readonly string[];
  /** Public keys that may log in to the image, in addition to those that modules install. */
  keepKeys?: readonly string[];
  /** Accounts that only the bake needed, to remove with their homes. */
  temporaryUsers?: readonly string[];
  /**
   * Whether the builder checks itself once more while it stops, and writes everything to its disk first: for clouds where
   * its disk can't be read. Default true. Otherwise it is a container, and a sync would write all that this computer has
   * in memory.
   */
  lastLook?: boolean;
  /**
   * Whether free space is filled with zeros if the disk does not accept discards, which takes as long as writing all of
   * it. Default false.
   */
  zeroFreeSpace?: boolean;
}

const packageList = guestFile("package-list.sh");

/**
 * A script that prints the installed packages, sorted, one per line: name, tab, version. Must run before sealing, which
 * removes what it needs.
 */
export const packageListScript = `${packageList}package_list\n`;

/**
 * The script that seals a builder: the last command that runs on it, as root, over SSH (`bash -euo pipefail -s`). It
 * stops everything that would still write, removes everything on the checklist, names the image, and checks the result.
 * After that no login works; the script's own session ends as usual. The machine must then be powered off, and never
 * booted again.
 */
export function sealScript(options: SealOptions): string {
  const { image, keep = [], keepKeys = [], temporaryUsers = [], zeroFreeSpace = false, lastLook = true } = options;
  const inOrder = [...checklist.filter((entry) => !entry.late), ...checklist.filter((entry) => entry.late)];
  return `#!/bin/bash
# shellcheck disable=SC2088 # a tilde in a pattern stands for every home, and the shell is not to expand it
set -euo pipefail
umask 022
cd /
ROOT=
${keepMore(keep, keepKeys)}${settings(options)}ZERO_FREE_SPACE=${zeroFreeSpace ? "yes" : "no"}
${prelude}
${liveFunctions}
${packageList}
${patternLists()}
seal() {
silence
begin_sealing
rule=clean-hooks
clean_hooks
${removalOfUsers(temporaryUsers)}
${checklist.map(keeping).join("")}
${identityScript(image)}
${inOrder.map(removal).join("\n")}
restore_flags
report_sealing
${lastLook ? "arm_last_look\n" : ""}}
${dropPaths()}
${assertions()}
# Nothing in here may read the rest of this script.
seal </dev/null
assert_one unnamed-removals "sealing takes only what this list names" </dev/null
assert_one quiet "what writes after the cleanup brings back what was removed" </dev/null
assert_all </dev/null
${lastLook ? "sync\n" : ""}`;
}

/**
 * The read-only script that checks the checklist, on a running machine (ROOT empty or not set) or on the root of a
 * stopped one (ROOT in the environment). Prints `ok - ID` for each entry without a finding, and `not ok - ID: FINDING
 * (REASON)` for each finding, in which case the exit status is 1. Runs under `bash -euo pipefail -s`, as root.
 */
export function assertSealedScript(options: AssertOptions): string {
  return `#!/bin/bash
# shellcheck disable=SC2088 # a tilde in a pattern stands for every home, and the shell is not to expand it
set -euo pipefail
ROOT=\${ROOT:-}
${settings(options)}${prelude}
${packageList}
${patternLists()}
${assertions()}
assert_all </dev/null
`;
}

function settings({ bakeKeys, builderName = "", secretsFile = "" }: AssertOptions): string {
  return `BAKE_KEYS=${quote(bakeKeys.join("\n"))}\nBUILDER_NAME=${quote(builderName)}\nSECRETS_FILE=${quote(secretsFile)}\n`;
}

/**
 * The entries' patterns as arrays, written without quotation marks under `set -f`: bash expands the braces now, and the
 * stars later.
 */
function patternLists(): string {
  const lists = checklist.flatMap((entry) =>
    patternKinds.flatMap((kind) => {
      const patterns = entry[kind];
      return patterns
        ? [`${arrayOf(entry.id, kind)}=(${patterns.map((each) => each.replace(/^~/, `"~"`)).join(" ")})`]
        : [];
    }),
  );
  return ["shopt -s extglob", "set -f", ...lists, "set +f"].join("\n");
}

const patternKinds = ["paths", "leftovers", "credentials"] as const;

function arrayOf(id: string, kind: (typeof patternKinds)[number] = "paths"): string {
  return `${kind}_${id.replaceAll("-", "_")}`;
}

/** The function with which the last check removes everything that is listed by path again. */
function dropPaths(): string {
  const arrays = checklist.filter(({ paths }) => paths).map(({ id }) => `"\${${arrayOf(id)}[@]}"`);
  return `drop_paths() {\ndrop ${arrays.join(" \\\n  ")}\n}`;
}

function removalOfUsers(users: readonly string[]): string {
  if (users.length === 0) return "";
  return ["rule=temporary-users", ...users.map((user) => `userdel --force --remove ${quote(user)}`), "name_gone"].join(
    "\n",
  );
}

function keeping({ id, leftovers }: ChecklistEntry): string {
  return leftovers ? `rule=${id}\nkeep_made "\${${arrayOf(id, "leftovers")}[@]}"\n` : "";
}

function removal({ id, paths, leftovers, credentials, remove }: ChecklistEntry): string {
  return [
    `rule=${id}`,
    ...(paths ? [`drop "\${${arrayOf(id)}[@]}"`] : []),
    ...(leftovers ? [`drop "\${${arrayOf(id, "leftovers")}[@]}"`] : []),
    ...(credentials ? [`credential_files "\${${arrayOf(id, "credentials")}[@]}" | take_listed`] : []),
    ...(remove ? [remove] : []),
  ].join("\n");
}

function assertions(): string {
  const asserted = checklist.filter((entry) => patternKinds.some((kind) => entry[kind]) || entry.assert);
  const functions = asserted.map((entry) => {
    const { id, credentials, assert } = entry;
    const found = (["paths", "leftovers"] as const).filter((kind) => entry[kind]);
    const lines = [
      ...found.map((kind) => `found "\${${arrayOf(id, kind)}[@]}"`),
      ...(credentials ? [`credential_files "\${${arrayOf(id, "credentials")}[@]}"`] : []),
      ...(assert ? [assert] : []),
    ];
    return `assert_${id.replaceAll("-", "_")}() {\n${lines.join("\n")}\n}`;
  });
  const calls = asserted.map(({ id, reason }) => `assert_one ${id} ${quote(reason)}`);
  return `${functions.join("\n")}

failed=no
assert_one() {
  local output status=0 line
  # Not in a condition: bash would ignore errors inside.
  set +e
  output=$(set -eo pipefail; "assert_\${1//-/_}")
  status=$?
  set -e
  if [ "$status" -ne 0 ]; then echo "not ok - $1: could not be checked (exit status $status)"; failed=yes; return; fi
  if [ -z "$output" ]; then echo "ok - $1"; return; fi
  failed=yes
  while read -r line; do echo "not ok - $1: $line ($2)"; done <<<"$output"
}

assert_all() {
${calls.join("\n")}
if [ "$failed" = yes ]; then return 1; fi
}
`;
}

/**
 * The version of the sealing step. It is part of the recipe hash, so a new one bakes every image again. Choose one (any
 * text) when sealing takes, keeps or writes something else; keep it when sealing only becomes faster, or works where it
 * failed. A test fails whenever the script changes, until somebody has decided that.
 */
export const sealVersion = "14738001fdfed50b";
