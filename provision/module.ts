// The contract between a recipe's modules and the life cycle. As in Imaging Hot Sauce it is `modify(name, root, cfg)`,
// but here `root` *records* what to do. So a preview can run every module, hash what it would do, and refuse bad
// settings before any machine exists.

/** A Linux distribution: the facts that modules and tests need. */
export interface Distribution {
  /** The name in recipes and stack settings: `debian12`, `ubuntu24.04`, `centos7`. */
  readonly id: string;
  /** Its package format and conventions. */
  readonly family: "debian" | "redhat";
  /** The distribution's own name: `debian`, `ubuntu`, `rocky`, `centos`, `amazon`. */
  readonly name: string;
  /** Its release: `12`, `24.04`, `2023`. */
  readonly version: string;
  /** The release's code name, if the distribution's mirrors use it: `bookworm`. */
  readonly codename?: string;
  /** The package manager; selects a list from `{ apt: [...], dnf: [...] }`. */
  readonly packageManager: "apt" | "dnf";
  /** The command that installs rpm packages, if it is not `dnf`: `yum` on CentOS 7. */
  readonly packageCommand?: "yum";
  /** The init system, if it is not systemd. */
  readonly init?: "upstart";
  /** The login account of its cloud images: `debian`, `ec2-user`. */
  readonly loginUser: string;
}

/** Package names: the same everywhere, or one list per package manager. */
export type Packages = readonly string[] | { readonly apt?: readonly string[]; readonly dnf?: readonly string[] };

/**
 * The image's root file system as a module sees it. A method call does nothing at once: calls are recorded in order,
 * and run as root on the builder later, under `bash -euo pipefail` with `umask 022`. They must be idempotent, because a
 * bake that failed half-way resumes at the module that failed. They must not rely on state that a reboot loses
 * (processes, mounts, /run, /tmp, kernel settings): earlier modules may have run on another builder, whose layer this
 * one started from (docs/local.md), or may have rebooted this one.
 */
export interface Root {
  /** The distribution that is being baked. */
  readonly distribution: Distribution;
  /** The login user's name, e.g. `debian`. */
  readonly loginUser: string;

  /**
   * Runs a script (bash) in its own subshell, which starts in `/` with empty standard input. Quote values from settings
   * with `quote` of provision/shell/shell.ts.
   */
  run(script: string): void;
  /**
   * Writes a whole file: `content` is text. `mode` is octal (default `0644`), `owner` is `user:group` (default
   * `root:root`). Parent folders are created.
   */
  file(path: string, content: string, options?: { mode?: string; owner?: string }): void;
  /**
   * Copies a file or folder from this computer to the builder, before the module's script starts. Keeps modes and
   * links; root owns everything. docs/recipes.md has the details.
   * @param source A path, relative to the recipe's folder. Throws a UserError if it can't be read, or contains
   *   something that can't be uploaded.
   * @param options `isScript`: the file will be run, so Windows line ends are refused.
   * @returns the path on the builder (in a temporary folder that sealing removes), for use in `run`.
   */
  upload(source: string, options?: { isScript?: boolean }): string;
  /**
   * Requests a secret of the stack. Its value is never part of a script: while the module's script runs, it is in a
   * file in memory that only root can read, e.g. `install -m 0600 ${root.secret("DEPLOY_KEY")} /root/.ssh/id_rsa`. It
   * is masked in the script's output.
   * @param name `NPM_TOKEN`: letters, digits and `_`. Throws a UserError with the cure if the stack doesn't have it.
   * @returns the path of that file on the builder. The file ends with a line break only if the value does.
   */
  secret(name: string): string;
  /**
   * Installs packages by name from the distribution's repositories (no recommended extras on apt). Fetches nothing if
   * all are installed.
   */
  packages(names: Packages): void;
  /** Enables a systemd unit at boot, and starts it now unless `start` is false. */
  enable(unit: string, options?: { start?: boolean }): void;
  /** Reboots the builder and waits until it is back. Later calls run on the rebooted machine. */
  reboot(): void;
  /**
   * States a fact about the image, as an acceptance test that runs on the builder, and again on a machine booted from
   * the finished image.
   * @param what The fact in one line, e.g. `nginx answers on port 80`.
   * @param script Bash, run as root; exit status 0 means that it holds. Must change nothing.
   * @param options `timeoutSeconds`: its time limit, 60 by default. `independent`: true if it may run at the same time
   * as independent checks next to it, e.g. because it uses no port and no file that another one uses; false by default.
   */
  check(what: string, script: string, options?: { timeoutSeconds?: number; independent?: boolean }): void;
}

/** The whole build configuration: the recipe as read, with every module's settings under the module's own key. */
export type BuildConfiguration = Readonly<Record<string, unknown>>;

/** The exports of a module's file, in provision/modules or the user's own. */
export interface ModuleFile {
  /** One sentence for `ci-images modules`. */
  readonly description: string;
  /**
   * The key in the recipe that holds its settings, if it is not the module's own name (`add_user` reads `add_users`).
   */
  readonly settingsKey?: string;
  /**
   * JSON schema of the settings under that key; a recipe is checked against it before `modify` runs. Give every
   * property a description, its default if it has one, and `examples`.
   */
  readonly settings?: object;
  /** Whether a recipe that lists the module without settings is refused. */
  readonly settingsRequired?: boolean;
  /**
   * Records what to do on `root`. Throwing stops the build, at preview, before any machine exists.
   * @param name The module's name as the recipe has it.
   * @param root The image's root.
   * @param cfg The whole build configuration; `cfg[name]` holds the module's own settings.
   */
  modify(name: string, root: Root, cfg: BuildConfiguration): void | Promise<void>;
}
