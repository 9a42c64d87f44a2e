// Runs OpenStack's diskimage-builder, from PyPI, for comparisons with our own bakes.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { archiveFor } from "../components/local/provider/base/archives.ts";
import { findDistribution } from "../provision/distributions.ts";
import { findOnPath } from "../toolchain/environment.mjs";
import { projectDirectory } from "../toolchain/versions.mjs";

/** Its virtual environment. It is kept between runs, because installing it is not measured. */
const environment = join(projectDirectory, ".cache", "bench", "diskimage-builder");

/** The version on PyPI. */
export const version = "3.43.0";

/** Commands that it needs and that pip does not install. */
const needed = ["python3", "sudo", "debootstrap", "tar"];

/** Installs diskimage-builder if missing. @returns why that is impossible; undefined when it is installed. */
export async function whyMissing(): Promise<string | undefined> {
  const missing = needed.filter((name) => findOnPath(name, process.env).length === 0);
  if (missing.length > 0) return `missing: ${missing.join(", ")}; cure: apt-get install ${missing.join(" ")}`;
  if (existsSync(join(environment, "installed"))) return undefined;
  await rm(environment, { recursive: true, force: true });
  const pip = join(environment, "bin", "pip");
  for (const [program, ...words] of [
    ["python3", "-m", "venv", environment],
    [pip, "install", "--quiet", `diskimage-builder==${version}`],
    ["touch", join(environment, "installed")],
  ]) {
    const { failed, all } = await execa(program, words, { reject: false, all: true });
    if (failed) return `it can't be installed from PyPI: ${all?.trim().split("\n").at(-1)}`;
  }
  return undefined;
}

/**
 * Makes a tar of a distribution with some packages.
 * @param home Its cache folder; without one it has no cache.
 * @throws Error with its last lines when it fails.
 */
export async function makeTar(
  distributionId: string,
  packages: readonly string[],
  home?: string,
): Promise<{ seconds: number; packages: number }> {
  const distribution = findDistribution(distributionId);
  // The mirrors that our own bake uses.
  const { main, security } = await archiveFor(distribution);
  const folder = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  try {
    const start = performance.now();
    const words = ["-t", "tar", "-o", join(folder, "out"), "-p", packages.join(","), `${distribution.name}-minimal`];
    const { failed, all } = await execa("disk-image-create", words, {
      reject: false,
      all: true,
      stdin: "ignore",
      env: {
        PATH: [join(environment, "bin"), process.env.PATH].join(delimiter),
        TMPDIR: folder,
        DIB_IMAGE_CACHE: join(home ?? folder, "cache"),
        DIB_RELEASE: distribution.codename,
        DIB_DISTRIBUTION_MIRROR: main,
        DIB_DEBIAN_SECURITY_MIRROR: security,
      },
    });
    const seconds = (performance.now() - start) / 1000;
    if (failed) throw new Error(`disk-image-create failed:\n${all?.split("\n").slice(-30).join("\n")}`);
    const status = await execa("tar", ["-xOf", join(folder, "out.tar"), "./var/lib/dpkg/status"], {
      maxBuffer: 2 ** 26,
    });
    return { seconds, packages: status.stdout.match(/^Status: .* installed$/gm)?.length ?? 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
