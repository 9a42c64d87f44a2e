// Cold caches: bakes a list of packages, and compares it with diskimage-builder, which makes a plain tar of the same.
// Ours runs first, so if a mirror or proxy caches something, it helps diskimage-builder.
import { readFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import { makeTar, version, whyMissing } from "./diskimage-builder.ts";
import type { Row } from "./table.ts";
import { endOf, find, timedUp, timingVariables, union, verificationRows } from "./timed-up.ts";

const distribution = "debian12";
const packages = ["openssh-server", "sudo", "git", "nginx", "default-jre-headless"];

/**
 * Bakes with an empty cache, then runs diskimage-builder if it can be installed.
 * @param say Receives progress lines.
 */
export async function benchCold(say: (line: string) => void): Promise<Row[]> {
  const ours = await bakeCold(say);
  const rows: Row[] = [
    { what: "of it: making the base image", seconds: ours.base },
    { what: "of it: the packages (install_packages)", seconds: ours.module },
  ];
  const missing = await whyMissing();
  if (missing !== undefined) {
    say(`cold: diskimage-builder is skipped: ${missing}`);
    return [
      { what: "cold bake, until the sealed disk is there", seconds: ours.image },
      ...rows,
      { what: "cold bake, until it is verified", seconds: ours.took },
      ...ours.verification,
    ];
  }
  say(`cold: diskimage-builder ${version} makes a tar of ${packages.join(", ")}`);
  const peer = await makeTar(distribution, packages);
  say(
    `cold: ${ours.packages} packages in our image (kernel, cloud-init), ${peer.packages} in the tar of diskimage-builder`,
  );
  const against = { what: "diskimage-builder", seconds: peer.seconds };
  return [
    { what: "cold bake, until the tested and sealed disk is there", seconds: ours.image, against },
    ...rows,
    { what: "cold bake, until it is verified by booting", seconds: ours.took, against },
    ...ours.verification,
    { what: `diskimage-builder ${version}, plain tar`, seconds: peer.seconds },
  ];
}

interface Bake {
  /** When the image exists and the builder is gone, in seconds since `pulumi up` was started. */
  image: number;
  /** When `pulumi up` ends, after verification. */
  took: number;
  base: number;
  module: number;
  packages: number;
  verification: Row[];
}

async function bakeCold(say: (line: string) => void): Promise<Bake> {
  const cache = await mkdtemp(join(tmpdir(), "ci-images-bench-cache-"));
  const recipe = { name: "bench", distribution, modules: ["install_packages"], install_packages: packages };
  const stack = await TemporaryStack.create(recipe, { verify: true }, { ...timingVariables, CI_IMAGES_CACHE: cache });
  try {
    say(`cold: baking ${packages.join(", ")} with an empty cache`);
    const { steps, took } = await timedUp(stack);
    const { path } = (await stack.outputs()).images!.local[distribution];
    const manifest = JSON.parse(await readFile(join(path, "manifest.json"), "utf8")) as { packages: unknown[] };
    return {
      image: endOf(find(steps, "retirement")),
      took,
      base: find(steps, "base").seconds,
      module: union([find(steps, "install_packages")]),
      packages: manifest.packages.length,
      verification: verificationRows(steps),
    };
  } finally {
    await stack.remove();
    await rm(cache, { recursive: true });
  }
}
