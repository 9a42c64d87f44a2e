// The recording root: turns a module's calls into steps that run on the builder later.
import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { digestOfPacked, UnfitFile } from "../../common/pack.ts";
import { UserError } from "../../common/user-error.ts";
import { runFolder, secretsFolder, uploadPrefix } from "../builder/builder-folders.ts";
import type { Distribution, Packages, Root } from "../module.ts";
import { holdsSecret, showSecrets } from "../shell/secret-text.ts";
import { feed, quote, quoteAll } from "../shell/shell.ts";

/** One thing to do on the builder: run a script, or reboot. */
export type Step = { kind: "script"; script: string } | { kind: "reboot" };

/** A file or folder on this computer that must be on the builder before the module's first step. */
export interface Upload {
  /** Its path on this computer, absolute. */
  source: string;
  /** Its path on the builder, which contains the digest and doesn't depend on this computer's paths. */
  destination: string;
  /** sha256 of the packed content: names, kinds, modes and contents; see common/pack.ts. */
  digest: string;
}

/** A fact about the image, tested on the builder and on a machine booted from the image. */
export interface Check {
  /** The module that states it; `recipe` for the recipe's own tests. */
  module: string;
  /** The fact in one line. */
  what: string;
  /** Bash, run as root; exit status 0 means that it holds. */
  script: string;
  /** Its time limit, in seconds. */
  timeoutSeconds: number;
  /** True if it may run at the same time as independent checks next to it. Default false. */
  independent?: boolean;
}

/** The default time limit of a check, in seconds. */
export const defaultCheckSeconds = 60;

/** Options of {@link RecordingRoot}. */
export interface RecordingOptions {
  /** The module's name, for messages and checks. */
  module: string;
  distribution: Distribution;
  /** The folder that `upload` paths are relative to. */
  folder: string;
  /** Throws a UserError that says how to set the secret, if the stack doesn't have it. */
  requireSecret(name: string): void;
}

/** Bytes; anything larger is a self-extracting archive, not a script. */
const largestScript = 16 * 1024 ** 2;

const secretFiles = new RegExp(`${secretsFolder}/([A-Za-z0-9_]+)`, "g");

/** Records what one module does, in order. */
export class RecordingRoot implements Root {
  readonly distribution: Distribution;
  readonly loginUser: string;
  readonly steps: Step[] = [];
  readonly uploads: Upload[] = [];
  readonly checks: Check[] = [];
  readonly secrets = new Set<string>();
  readonly #options: RecordingOptions;

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.distribution = options.distribution;
    this.loginUser = options.distribution.loginUser;
  }

  run(script: string): void {
    if (typeof script !== "string") throw this.#misuse("run", "a script", script);
    // A subshell: `cd`, `exit` and variables of one script must not affect the next.
    const subshell = `(\ncd /\n${script.endsWith("\n") ? script : `${script}\n`})`;
    // bash reads the subshell as a whole before it runs anything in it, but must know these patterns to read them.
    const usesExtglob = /^\s*shopt\s+(-\w+\s+)*-s\s.*\bextglob\b/m.test(script);
    this.#append(usesExtglob ? `shopt -s extglob\n${subshell}\nshopt -u extglob` : subshell);
  }

  file(path: string, content: string, options: { mode?: string; owner?: string } = {}): void {
    if (!path.startsWith("/") || holdsSecret(path)) throw this.#misuse("file", "an absolute path", path);
    if (typeof content !== "string") throw this.#misuse("file", "a text as content", content);
    const { mode = "0644", owner = "root:root" } = options;
    if (!/^[0-7]{3,4}$/.test(mode)) throw this.#misuse("file", "a mode such as 0644", mode);
    const [user, group] = owner.split(":");
    if (!user || !group) throw this.#misuse("file", "an owner such as root:root", owner);
    const install = `install -D -m ${mode} -o ${quote(user)} -g ${quote(group)} /dev/stdin ${quote(path)}`;
    this.#append(`${install} ${feed(content)}`);
  }

  upload(source: string, { isScript = false }: { isScript?: boolean } = {}): string {
    const path = resolve(this.#options.folder, source);
    let digest: string;
    try {
      digest = digestOfPacked(path);
    } catch (error) {
      const unfit = error instanceof UnfitFile;
      throw new UserError({
        where: `module ${this.#options.module}`,
        found: `"${source}" cannot be ${unfit ? "uploaded" : "read"} (${(error as Error).message})`,
        allowed: unfit ? "files, folders and links" : "a readable file or folder, relative to the recipe's folder",
      });
    }
    if (isScript) this.#refuseWindowsLines(source, path);
    const destination = `${uploadPrefix}${digest.slice(0, 16)}-${basename(path)}`;
    if (!this.uploads.some((each) => each.destination === destination)) {
      this.uploads.push({ source: path, destination, digest });
    }
    return destination;
  }

  secret(name: string): string {
    this.#options.requireSecret(name);
    this.secrets.add(name);
    return `${secretsFolder}/${name}`;
  }

  packages(names: Packages): void {
    const manager = this.distribution.packageManager;
    const list = (Array.isArray(names) ? names : ((names as Record<string, string[]>)[manager] ?? [])) as string[];
    for (const name of list) {
      // A leading dash would be parsed as an option.
      if (typeof name !== "string" || !/^[A-Za-z0-9@/][^\s]*$/.test(name)) {
        throw this.#misuse("packages", "names of packages", name);
      }
    }
    const distinct = [...new Set(list)];
    if (distinct.length === 0) return;
    this.#append(manager === "apt" ? aptInstall(distinct) : rpmInstall(this.distribution, distinct));
  }

  enable(unit: string, options: { start?: boolean } = {}): void {
    const start = options.start ?? true;
    if (this.distribution.init === "upstart") {
      const name = quote(unit.replace(/\.service$/, ""));
      this.#append(`update-rc.d ${name} defaults${start ? `\nservice ${name} start` : ""}`);
    } else {
      this.#append(`systemctl enable ${start ? "--now " : ""}${quote(unit)}`);
    }
  }

  reboot(): void {
    this.steps.push({ kind: "reboot" });
  }

  check(what: string, script: string, options: { timeoutSeconds?: number; independent?: boolean } = {}): void {
    const { timeoutSeconds = defaultCheckSeconds, independent = false } = options;
    // Checks also run on machines booted from the image, which have no secrets.
    if (holdsSecret(script) || script.includes(secretsFolder)) {
      throw this.#misuse("check", "a script that needs no secret", showSecrets(what));
    }
    this.checks.push({
      module: this.#options.module,
      what: showSecrets(what).replaceAll(/\s+/g, " ").trim(),
      script,
      timeoutSeconds,
      ...(independent && { independent }),
    });
  }

  #append(text: string): void {
    if (holdsSecret(text)) {
      const allowed = "a secret where the module takes a text";
      throw new UserError({ where: `module ${this.#options.module}`, found: showSecrets(text).trim(), allowed });
    }
    for (const [, name = ""] of text.matchAll(secretFiles)) this.secret(name);
    const last = this.steps.at(-1);
    if (last?.kind === "script") last.script += `\n${text}\n`;
    else this.steps.push({ kind: "script", script: `${text}\n` });
  }

  /** Refuses `\r`: the kernel reads it as part of the interpreter's name, shells as part of every line's last word. */
  #refuseWindowsLines(source: string, path: string): void {
    const facts = statSync(path);
    if (!facts.isFile() || facts.size > largestScript) return;
    const bytes = readFileSync(path);
    // A file with binary content, such as a self-extracting archive, may contain these bytes by chance.
    if (!bytes.subarray(0, 2).equals(Buffer.from("#!")) || bytes.includes(0) || !isUtf8(bytes)) return;
    const lines = bytes.toString("utf8").split("\n");
    const isShell = /\b(ba|da|k|z)?sh\b/.test(lines[0] ?? "");
    const line = lines.findIndex((each) => each.endsWith("\r"));
    if (line === -1 || (line > 0 && !isShell)) return;
    throw new UserError({
      where: `module ${this.#options.module}`,
      found: `"${source}" has Windows line ends (CRLF) from line ${line + 1} on`,
      allowed: "line feeds only",
      cure: `sed -i 's/\\r$//' ${source}; a line \`*.sh text eol=lf\` in .gitattributes makes git keep it so`,
    });
  }

  #misuse(method: string, wanted: string, found: unknown): UserError {
    return new UserError({
      where: `module ${this.#options.module}`,
      key: `root.${method}`,
      found: `called with ${JSON.stringify(found)}`,
      allowed: wanted,
    });
  }
}

/**
 * Bash that updates apt's package lists, once in a bake and again whenever the sources or the architectures have
 * changed. An index that can't be fetched is an error; apt itself would only warn and continue with the old one.
 */
export const aptUpdate = `\
if [ ! -e ${runFolder}/apt-updated ] || [ -n "$(find /etc/apt/sources.list* /var/lib/dpkg/arch -newer ${runFolder}/apt-updated -print -quit 2>/dev/null)" ]; then
  install -d -m 0700 ${runFolder}
  touch ${runFolder}/apt-updating
  apt-get -o APT::Update::Error-Mode=any -o Acquire::Retries=3 -q update
  mv ${runFolder}/apt-updating ${runFolder}/apt-updated
fi`;

/** apt-get for unattended runs: waits for another run's lock, and never asks about a changed configuration file. */
export const aptGet =
  "apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold";

/**
 * Downloads nothing if all are installed, so that modules which need only the base's packages work without a mirror.
 */
function aptInstall(names: readonly string[]): string {
  const install = `${aptUpdate}\n${aptGet} install --no-install-recommends ${quoteAll(names)}`;
  if (!names.every(isPlainName)) return install;
  return `\
if [ "$(dpkg-query --show --showformat='\${Status}\\n' ${quoteAll(names)} 2>/dev/null | grep -c ' ok installed$')" = ${names.length} ]; then
  apt-mark manual ${quoteAll(names)} >/dev/null
else
${install}
fi`;
}

function rpmInstall(distribution: Distribution, names: readonly string[]): string {
  const install = `${distribution.packageCommand ?? "dnf"} -y install ${quoteAll(names)}`;
  return names.every(isPlainName) ? `rpm --query --quiet ${quoteAll(names)} || ${install}` : install;
}

/** Whether this is a plain name: no group, pattern, version, file or removal. */
function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9+._-]*[A-Za-z0-9+])?$/.test(name);
}
