// The archives of Debian-like distributions: where their packages come from, and what they offer.
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import type { Distribution } from "../../../../provision/module.ts";
import { readSources } from "./apt-sources.ts";

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
 */
export async function readRelease(url: string, suite: string): Promise<Release | Error> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-release-"));
  try {
    const file = join(folder, "InRelease");
    const patience = ["Acquire::Retries=0", "Acquire::http::Timeout=5", "Acquire::https::Timeout=5"];
    const options = [...patience, "APT::Sandbox::User=root"].flatMap((option) => ["-o", option]);
    const { exitCode, stderr } = await execa(
      "/usr/lib/apt/apt-helper",
      [...options, "download-file", `${url}/dists/${suite}/InRelease`, file],
      { reject: false },
    );
    if (exitCode !== 0) return new Error(stderr.replace(/^E: Download Failed$/m, "").trim());
    const text = await readFile(file, "utf8");
    const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
    return { version: field("Version"), date: field("Date"), codename: field("Codename") };
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
    ...(existsSync(folder) ? await readdir(folder) : []).map((name) => join(folder, name)),
  ];
  const texts = await Promise.all(
    files
      .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
      .map(async (file) => ({ file, text: await readFile(file, "utf8") })),
  );
  const suite = security ? `${codename}-security` : codename;
  return texts
    .flatMap(({ file, text }) => readSources(text, file.endsWith(".sources") ? "deb822" : "one-line"))
    .find((source) => source.suite === suite && /^https?:/.test(source.url))
    ?.url.replace(/\/+$/, "");
}

/** mmdebstrap's default mirror, which is only in the program's source. */
async function defaultMirror({ name }: Distribution): Promise<string | undefined> {
  const program = "/usr/bin/mmdebstrap";
  if (!existsSync(program)) return undefined;
  const text = await readFile(program, "utf8");
  return new RegExp(`\\$mirror\\s*=\\s*'(https?://[^']+/${name})'`).exec(text)?.[1];
}
