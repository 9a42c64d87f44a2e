// The bash program around everything that runs on the builder. It is sent on standard input, which bash reads piece by
// piece, so a child that reads standard input would swallow the rest. Therefore the whole program is one function,
// which bash must read completely before calling it, and which runs with empty standard input.
import { runFolder } from "./builder-folders.ts";
import { doorFunctions } from "./door.ts";
import type { Secrets } from "../recipe/secrets.ts";
import { feed, quote } from "../shell/shell.ts";
import { scriptFile } from "../shell/script-file.ts";

/** A script to run, and the messages if it fails. */
export interface Program {
  /** Its name in messages: `module nginx`. */
  title: string;
  /** Bash; runs as root under `bash -Eeuo pipefail`, `umask 022`. */
  script: string;
  /** Time limit in seconds: then TERM, and KILL 10 seconds later. */
  timeoutSeconds: number;
  /** The cure for a timeout, a sentence. */
  timeoutCure: string;
  /** The cure for a failure, a sentence. */
  failureCure: string;
  /**
   * Whether it waits until the machine has finished booting; SSH answers long before. A boot that ends in emergency or
   * rescue mode is an error.
   */
  awaitsBoot?: boolean;
  /** Whether another step follows, which must be able to log in. */
  keepsDoor?: boolean;
  /** A file with variables for the script's environment. It may be missing. */
  environmentFile?: string;
  /** Secrets that it may read from files; masked in its output. */
  secrets?: Secrets;
  /** More values to mask, because an earlier module may have left them on the builder. */
  masked?: readonly string[];
}

/** The shell command that runs a program from its standard input as root, for any login account. */
export const runAsRoot = `[ "$(id -u)" = 0 ] && exec bash -s; exec sudo -n -H bash -s`;

/** Marks a requested reboot. In memory, so that it is gone when the machine is back. */
export const rebootMark = `${runFolder}/rebooting`;

/** Renders a program, to be sent on the standard input of {@link runAsRoot}. */
export function renderProgram(program: Program): string {
  const { title, timeoutSeconds, environmentFile, secrets = {}, masked = [] } = program;
  const hidden = [...new Set([...Object.values(secrets), ...masked].flatMap((value) => [value, ...inUrl(value)]))];
  return `\
# ci-images: ${title.replaceAll("\n", " ")}
main() {
title=${quote(title)}
seconds=${timeoutSeconds}
failure_cure=${quote(program.failureCure)}
timeout_cure=${quote(program.timeoutCure)}
${program.keepsDoor ? origin : ""}
${preparation}
${program.awaitsBoot ? bootWait : ""}
${environmentFile === undefined ? "" : `if [ -r ${environmentFile} ]; then set -a; . ${environmentFile}; set +a; fi`}
${Object.keys(secrets).length > 0 ? placeSecrets(secrets) : ""}
${hidden.length > 0 ? maskOutput(hidden) : `filter=(cat)`}
cat >"$work/preamble" ${feed(preamble)}
cat >"$work/script" ${feed(program.script)}
${program.keepsDoor ? `${doorFunctions}\ndoor_before` : "door_after() { :; }; door_changes() { :; }"}
${execution}
}
main </dev/null; exit
`;
}

/** For `door_before`: `ordinary` is set if the bake logged in by ordinary SSH instead of its own port, as `account`. */
const origin = "ordinary=${SUDO_USER-}${SSH_CONNECTION-}\naccount=${SUDO_USER:-root}";

const preparation = part("prepare.sh", { RUN_FOLDER: runFolder }).trimEnd();

/** Seconds to wait for the boot; then the step continues anyway, because some unit may take forever to start. */
const bootSeconds = 300;

const bootWait = part("wait-for-boot.sh", { BOOT_QUARTERS: String(bootSeconds * 4) }).trimEnd();

// Read through BASH_ENV, so that line numbers are the script's. The innermost failed command is the informative one.
// Inside $(...) bash continues after an error (no "e" in $-), so nothing has failed there yet. Only the first two lines
// are read. The trap has no `[[` and no command that fails, because bash 4.2 would report that one. It also makes the
// exit status 1.
const preamble = part("note-failure.sh");

// Background processes that the script leaves may keep its output open forever. With our own pipes, they can't block
// the connection.
const execution = part("execute.sh").trimEnd();

/** Reads a script of this folder. @param values See {@link scriptFile}. */
function part(name: string, values?: Readonly<Record<string, string>>): string {
  return scriptFile(new URL(`./runner/${name}`, import.meta.url), values);
}

function placeSecrets(secrets: Secrets): string {
  const files = Object.entries(secrets).map(([name, value]) => {
    // printf is a bash builtin: the value is on no command line.
    return `printf '%s' ${quote(value)} >"$state/secrets/${name}"`;
  });
  return `\
install -d -m 0700 "$state/secrets"
${files.join("\n")}`;
}

/** How a secret of one line looks in an address, if it looks different there. */
function inUrl(value: string): string[] {
  const rest = /[!'()*]/g;
  const encoded = encodeURIComponent(value).replace(rest, (letter) =>
    `%${letter.charCodeAt(0).toString(16)}`.toUpperCase(),
  );
  return value.includes("\n") || encoded === value ? [] : [encoded];
}

function maskOutput(values: readonly string[]): string {
  return `\
cat >"$work/mask" ${feed(maskProgram(values))}
filter=(env LC_ALL=C sed -u -f "$work/mask")`;
}

/**
 * A sed program that replaces secret values with `***`. sed sees one line at a time, so each line of a value is masked
 * separately. Lines under 4 letters of a multi-line value are skipped, or every `}` would be masked.
 */
export function maskProgram(values: readonly string[]): string {
  const lines = values.flatMap((value) => {
    const all = value.split(/\r?\n/).map((line) => line.trim());
    return all.length === 1 ? all : all.filter((line) => line.length >= 4);
  });
  const longestFirst = [...new Set(lines)].filter(Boolean).sort((a, b) => b.length - a.length);
  return longestFirst.map((line) => `s/${line.replaceAll(/[\\/.*[\]^$]/g, "\\$&")}/***/g\n`).join("");
}
