// The archives of Debian-like distributions: where their packages come from, and what they offer.
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import type { Distribution } from "../../../../provision/module.ts";
import { readSources, type AptSource } from "./apt-sources.ts";

/** URLs of a distribution's archive, without a trailing slash. */
export interface Archive {
  main: string;
  /** The archive of security updates; on Ubuntu the same as `main`. */
  security: string;
}

/** An archive's information about a suite. */
export interface Release {
  /** `12.12`; changes with every point release. */
  version: string;
  /** When the suite was last changed, in the archive's format. */
  date: string;
  codename: string;
  /** Who publishes the archive: `Debian`, `Ubuntu`. */
  origin: string;
}

/** Why a suite could not be read. */
export class UnreadableSuite extends Error {
  constructor(
    message: string,
    /** True if the archive answers, and says that it has no such suite. */
    readonly isMissing: boolean,
  ) {
    super(message);
  }
}

/**
 * A distribution's archive: the requested mirror, else the one this computer itself uses if it has the same
 * distribution, else mmdebstrap's default.
 * @throws UserError if none of these exists.
 */
export async function archiveFor(distribution: Distribution, mirror?: string): Promise<Archive> {
  const main = (mirror ?? (await hostMirror(distribution, false)) ?? (await defaultMirror(distribution)))?.replace(
    /\/+$/,
    "",
  );
  if (main === undefined) {
    throw new UserError({
      where: "base",
      key: "mirror",
      found: `is missing, and this computer knows no mirror of ${distribution.id}`,
      cure: "set it to the URL of a mirror: `base: { mirror: http://... }`",
    });
  }
  if (distribution.name === "ubuntu") return { main, security: main };
  const beside = main.replace(/\/debian$/, "/debian-security");
  return { main, security: (mirror === undefined && (await hostMirror(distribution, true))) || beside };
}

/**
 * Fetches a suite's release file from an archive the way apt does, through the same proxies. Returns an error if that
 * fails.
 * @param patience How often to try again, and after how many seconds without an answer to give up.
 */
export async function readRelease(
  url: string,
  suite: string,
  patience = { retries: 0, timeout: 5 },
): Promise<Release | UnreadableSuite> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-release-"));
  try {
    const file = join(folder, "InRelease");
    const timeouts = ["http", "https"].map((scheme) => `Acquire::${scheme}::Timeout=${patience.timeout}`);
    const settings = [`Acquire::Retries=${patience.retries}`, ...timeouts, "APT::Sandbox::User=root"];
    const { exitCode, stderr } = await execa(
      "/usr/lib/apt/apt-helper",
      [...settings.flatMap((setting) => ["-o", setting]), "download-file", `${url}/dists/${suite}/InRelease`, file],
      { reject: false, env: { LC_ALL: "C" } },
    );
    if (exitCode !== 0) {
      const message = stderr.replace(/^E: Download Failed$/m, "").trim();
      return new UnreadableSuite(message, /InRelease\s+(404\s|File not found)/.test(message));
    }
    const text = await readFile(file, "utf8");
    const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
    return { version: field("Version"), date: field("Date"), codename: field("Codename"), origin: field("Origin") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The mirror that this computer installs its own packages from, if it has the same distribution. */
async function hostMirror(distribution: Distribution, security: boolean): Promise<string | undefined> {
  const release = existsSync("/etc/os-release") ? await readFile("/etc/os-release", "utf8") : "";
  if (!new RegExp(`^ID="?${distribution.name}"?$`, "m").test(release)) return undefined;
  const codename = /^VERSION_CODENAME="?([^"\n]*)"?$/m.exec(release)?.[1];
  const folder = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(folder) ? (await readdir(folder)).sort() : []).map((name) => join(folder, name)),
  ];
  const texts = await Promise.all(
    files
      .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
      .map(async (file) => ({ file, text: await readFile(file, "utf8") })),
  );
  const sources = texts.flatMap(({ file, text }) =>
    readSources(text, file.endsWith(".sources") ? "deb822" : "one-line"),
  );
  return await distributionsOwn(distribution, sources, `${codename}${security ? "-security" : ""}`);
}

/**
 * The archive of a suite that is the distribution's own. Those of other publishers often have a suite of the same name.
 * An archive that needs a password is left out: the image would contain it.
 * @returns the URL, without a trailing slash.
 */
export async function distributionsOwn(
  distribution: Distribution,
  sources: AptSource[],
  suite: string,
): Promise<string | undefined> {
  const usable = sources.filter((source) => source.suite === suite && /^https?:\/\/[^/@]*(\/|$)/.test(source.url));
  const urls = [...new Set(usable.map(({ url }) => url.replace(/\/+$/, "")))];
  if (urls.length <= 1) return urls[0];
  const releases = await Promise.all(urls.map((url) => readRelease(url, suite)));
  const isOwn = (release: Release | UnreadableSuite): boolean =>
    !(release instanceof Error) && release.origin.toLowerCase() === distribution.name;
  // If the network is down, the first one is as good as any: only a cached base can be used.
  return urls.find((_, index) => isOwn(releases[index])) ?? urls.find((_, index) => releases[index] instanceof Error);
}

/** mmdebstrap's default mirror, which is only in the program's source. */
async function defaultMirror({ name }: Distribution): Promise<string | undefined> {
  const program = "/usr/bin/mmdebstrap";
  if (!existsSync(program)) return undefined;
  const text = await readFile(program, "utf8");
  return new RegExp(`\\$mirror\\s*=\\s*'(https?://[^']+/${name})'`).exec(text)?.[1];
}
