// Base images bootstrapped from a distribution's mirrors by mmdebstrap.
import { execa } from "execa";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gibibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { findDistribution } from "../../../../provision/distributions.ts";
import type { Distribution } from "../../../../provision/module.ts";
import { archiveFor, readRelease, type Archive, type Release } from "./archives.ts";
import { cachedBases, cureIfPinned, needDisk } from "./base-cache.ts";
import { FINISH, packagesFor } from "./bootstrap.ts";
import type { BaseSource, Progress, ResolvedBase } from "../types.ts";

type MirrorSource = Extract<BaseSource, { kind: "mirror" }>;

type MirrorBase = ResolvedBase & { notice?: string };

/**
 * `resolveBase` for a mirror. A new base is bootstrapped with every point release of the distribution. Security updates
 * in between are up to the module `os_updates`.
 */
export async function resolveMirror(source: MirrorSource): Promise<MirrorBase> {
  const distribution = debianLike(source.distribution);
  const specification = specificationOf(source);
  const archive = await archiveFor(distribution, source.mirror);
  const release = await readRelease(archive.main, distribution.codename!);
  if (release instanceof Error) return await newestCached(source, specification, archive.main, release);
  checkRelease(release, distribution, archive);
  const id = `${distribution.id}-${digest([specification, release.version, release.date])}`;
  const day = new Date(release.date).toISOString().slice(0, 10);
  return { source, id, description: `${distribution.name} ${release.version} (${day})` };
}

/** Bootstraps the root. Its processes end with us, even if we are killed. */
export async function buildFromMirror(
  source: MirrorSource,
  base: ResolvedBase,
  root: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const distribution = debianLike(source.distribution);
  const now = await resolveMirror(source);
  if (now.id !== base.id) {
    throw new UserError({
      where: `the mirror of ${distribution.id}`,
      found: `has ${now.description} now; ${base.description} is not in the cache`,
      cure: `run the command again; ${cureIfPinned(base.id)}`,
    });
  }
  checkKeyring(distribution);
  await needDisk(2.5 * gibibyte, `bootstrapping ${distribution.id}`);
  const archive = await archiveFor(distribution, source.mirror);
  const sources = await sourcesOf(archive, distribution, progress);
  const started = Date.now();
  progress(`bootstrapping ${base.description}: this takes a minute, once`);
  const options = ["--variant=minbase", "--mode=root", "--format=directory", `--architectures=${architecture()}`];
  const include = `--include=${packagesFor(distribution, source.packages).join(",")}`;
  // In its own process namespace, which ends when we do. Otherwise a second bootstrap of the same base could meet
  // processes left by the first.
  const mortal = ["--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", "--pid", "--mount-proc"];
  const bootstrap = execa(
    "setpriv",
    [...mortal, "mmdebstrap", ...options, include, distribution.codename!, root, ...sources.map(asLine)],
    {
      cancelSignal: signal,
      forceKillAfterDelay: 100,
      killSignal: "SIGKILL",
      all: true,
      reject: false,
      stdin: "ignore",
    },
  );
  bootstrap.stderr?.on("data", (text: Buffer) => {
    const line = /^I: (.+)$/m.exec(text.toString())?.[1];
    if (line !== undefined) progress(line, true);
  });
  const { exitCode, all, isCanceled } = await bootstrap;
  signal?.throwIfAborted();
  if (exitCode !== 0 || isCanceled) {
    throw new UserError({
      where: `bootstrapping ${distribution.id}`,
      found: `mmdebstrap failed:\n${all?.trim().split("\n").slice(-12).join("\n")}\n`,
      cure: "look for the cause in these lines, or set another `mirror` in the recipe's `base`",
    });
  }
  await finish(root, distribution, sources, signal);
  progress(`bootstrapped in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

async function finish(root: string, distribution: Distribution, sources: Suite[], signal?: AbortSignal): Promise<void> {
  await writeFile(join(root, "etc/apt/sources.list"), `${sources.map(asLine).join("\n")}\n`);
  await execa("chroot", [root, "/bin/bash", "-euo", "pipefail", "-s"], {
    input: `LOGIN_USER=${distribution.loginUser}\n${FINISH}`,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" },
    extendEnv: false,
    cancelSignal: signal,
  });
}

/** A hash of the request, the same whatever the mirror has that day. */
export function specificationOf({ distribution: id, packages, mirror }: MirrorSource): string {
  const distribution = debianLike(id);
  // FINISH counts, too: the same packages with another finish are another root.
  return digest([FINISH, id, architecture(), packagesFor(distribution, packages), mirror]);
}

/** A line of sources.list. */
export interface Suite {
  url: string;
  suite: string;
  components: string;
}

function asLine({ url, suite, components }: Suite): string {
  return `deb ${url} ${suite} ${components}`;
}

/**
 * The suite itself, plus the updates and security suites unless the mirror says that it has none.
 * @throws UserError if the mirror doesn't say whether it has one.
 */
export async function sourcesOf(
  archive: Archive,
  { codename, name }: Distribution,
  progress: Progress,
): Promise<Suite[]> {
  const components = name === "ubuntu" ? "main universe" : "main";
  const wanted = [
    { url: archive.main, suite: `${codename}-updates`, components },
    { url: archive.security, suite: `${codename}-security`, components },
  ];
  const isThere = async ({ url, suite }: Suite): Promise<boolean> => {
    const release = await readRelease(url, suite, { retries: 3, timeout: 20 });
    if (!(release instanceof Error)) return true;
    if (!release.isMissing) {
      throw new UserError({
        where: `${url} ${suite}`,
        found: `can't be read: ${release.message}`,
        allowed: "a suite, or status 404 if the mirror has none",
        cure: "run the command again when the mirror answers, or set another `mirror` in the recipe's `base`",
      });
    }
    progress(`notice: ${url} has no suite ${suite}: images on this base get no updates from it`);
    return false;
  };
  const found = await Promise.all(wanted.map(isThere));
  return [{ url: archive.main, suite: codename!, components }, ...wanted.filter((_, index) => found[index])];
}

async function newestCached(
  source: MirrorSource,
  specification: string,
  mirror: string,
  reason: Error,
): Promise<MirrorBase> {
  const cached = (await cachedBases()).find((base) => base.specification === specification);
  if (!cached) {
    throw new UserError({
      where: mirror,
      found: `can't be read: ${reason.message}`,
      cure: `check this computer's network, or set \`mirror\` in the recipe's \`base\` to a mirror of ${source.distribution}`,
    });
  }
  const { id, description } = cached;
  const notice = `${mirror} can't be read; using the cached base of ${cached.createdAt.slice(0, 10)} (${description})`;
  return { source, id, description, notice };
}

function checkRelease({ codename }: Release, distribution: Distribution, { main }: Archive): void {
  if (codename === distribution.codename) return;
  throw new UserError({
    where: main,
    found: `has ${codename}`,
    allowed: distribution.codename,
    cure: "set another `mirror`",
  });
}

function checkKeyring({ id, name }: Distribution): void {
  const keyring = `/usr/share/keyrings/${name}-archive-keyring.gpg`;
  if (existsSync(keyring)) return;
  throw new UserError({
    where: `bootstrapping ${id}`,
    found: `this computer lacks ${keyring}, the keys that sign its packages`,
    cure: `install the package ${name === "ubuntu" ? "ubuntu-keyring" : "debian-archive-keyring"}`,
  });
}

function debianLike(id: string): Distribution {
  const distribution = findDistribution(id, "base", "distribution");
  if (distribution.codename !== undefined) return distribution;
  throw new UserError({
    where: "base",
    key: "distribution",
    found: `${id} can't be bootstrapped`,
    allowed: "Debian and Ubuntu",
    cure: "give a `tarball`, `directory` or `image` of it as `base`",
  });
}

function architecture(): string {
  const names: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64" };
  return names[process.arch] ?? process.arch;
}

function digest(content: unknown[]): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 16);
}
