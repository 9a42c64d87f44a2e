// Bakes field cases: modules in modules/ as a user would write them, each with its own checks. A bake includes uploads,
// modules, tests, sealing, the image, and a machine booted from the image that runs the checks again.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { TestStack } from "../engine/test-stack.ts";

const modules = fileURLToPath(new URL("./modules", import.meta.url));

/** The result of a bake. */
export interface Baked {
  /** The output of `pulumi up`. */
  output: string;
  /** Names of the checks that passed on the machine booted from the image. */
  checks: string[];
  /** Seconds that `pulumi up` took. */
  took: number;
  /** Bytes that the disk file occupies. */
  size: number;
  /** The content of manifest.json. */
  manifest: object;
}

/**
 * Bakes and verifies a recipe with these cases. Fails unless a check of every case passed on the image.
 * @param cases Names of modules, in the order in which they run.
 * @param recipe Further settings of the recipe, such as `size`.
 */
export async function bakeCases(cases: readonly string[], recipe: Record<string, unknown> = {}): Promise<Baked> {
  const baked = await bake({ name: "field", distribution: "debian12", size: "8G", modules: cases, ...recipe });
  for (const name of cases)
    assert.ok(
      baked.checks.some((check) => check.includes(`${name}: `)),
      `no check of ${name} ran on the image:\n${baked.checks.join("\n")}`,
    );
  return baked;
}

/**
 * Bakes and verifies a recipe on a builder that trusts this computer's certificate authorities, then removes
 * everything.
 */
export async function bake(recipe: { modules: readonly string[] } & Record<string, unknown>): Promise<Baked> {
  const stack = await TestStack.create({}, { verify: true, modules });
  try {
    const certificates = await writeAuthorities(stack.directory);
    const trust = {
      modules: ["ca_certificates", ...recipe.modules],
      ca_certificates: { certificates, environment: true },
    };
    await stack.recipe({ ...recipe, ...(certificates.length > 0 && trust) });
    const { output, took } = await stack.up();
    const { checks } = await stack.proof();
    const { disk, path } = (await stack.outputs()).images!.local.debian12;
    const { stdout } = await execa("qemu-img", ["info", "--output=json", disk]);
    const size = (JSON.parse(stdout) as { "actual-size": number })["actual-size"];
    return {
      output,
      checks,
      took,
      size,
      manifest: JSON.parse(await readFile(join(path, "manifest.json"), "utf8")) as object,
    };
  } finally {
    await stack.remove();
  }
}

/**
 * Writes the authorities that this computer trusts beyond its distribution's: package registries may be behind a proxy
 * with its own authority.
 */
async function writeAuthorities(directory: string): Promise<{ name: string; source: string }[]> {
  const bundle = await readFile(process.env.SSL_CERT_FILE ?? "/etc/ssl/certs/ca-certificates.crt", "utf8");
  const known = new Set(fingerprints(await distributionAuthorities()));
  const own = certificatesIn(bundle).filter((certificate) => !known.has(certificate.fingerprint256));
  await mkdir(join(directory, "authorities"));
  return Promise.all(
    own.map(async (certificate, index) => {
      const source = `authorities/${index}.pem`;
      await writeFile(join(directory, source), certificate.toString());
      return { name: `of-this-computer-${index}`, source };
    }),
  );
}

async function distributionAuthorities(): Promise<string> {
  const folder = "/usr/share/ca-certificates/mozilla";
  const files = await readdir(folder).catch(() => []);
  return (await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")))).join("\n");
}

function certificatesIn(bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function fingerprints(bundle: string): string[] {
  return certificatesIn(bundle).map(({ fingerprint256 }) => fingerprint256);
}
