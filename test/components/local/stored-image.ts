// A finished local image with a small, unbootable disk, for tests that only use its files.
import type { PlanDescription } from "../../../provision/plan/explain.ts";
import { randomBytes } from "node:crypto";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { mebibyte } from "../../../common/sizes.ts";
import { describeFile } from "../../../components/local/provider/disk/disk-files.ts";
import type { Manifest } from "../../../components/local/provider/disk/image-store.ts";

export interface StoredImageOptions {
  /** Bytes of the disk. */
  size?: number;
  formats?: ("qcow2" | "raw")[];
  /** MiB of random data at the beginning of the disk. */
  data?: number;
  recipe?: string;
  /** False for an unverified image; true by default. */
  proven?: boolean;
  manifest?: Partial<Manifest>;
}

/** Offset of another 2.5 MiB of data. */
const scattered = 9 * mebibyte;

/** Makes the image's folder. @returns the manifest. */
export async function makeStoredImage(folder: string, options: StoredImageOptions = {}): Promise<Manifest> {
  const { size = 64 * mebibyte, formats = ["qcow2"], recipe = "0123456789abcdef", proven = true, data = 3 } = options;
  await mkdir(folder, { recursive: true });
  const raw = join(folder, "disk.raw");
  const file = await open(raw, "w");
  await file.truncate(size);
  await file.write(randomBytes(2.5 * mebibyte), 0, undefined, scattered);
  await file.write(randomBytes(data * mebibyte), 0, undefined, 0);
  await file.close();
  if (formats.includes("qcow2")) {
    await execa("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-c", raw, join(folder, "disk.qcow2")]);
  }
  if (!formats.includes("raw")) await rm(raw);
  const manifest: Manifest = {
    ...{ name: "worker", recipe, distribution: "debian12", project: "ci-images", stack: "other", machine: "m-1", size },
    ...{
      base: { id: "base", description: "debian 12" },
      plan: { recipe } as PlanDescription,
      packages: [],
      interrupted: false,
      tools: {},
    },
    builder: { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" },
    files: await Promise.all(formats.map((format) => describeFile(join(folder, `disk.${format}`)))),
    builtAt: "2026-01-01T00:00:00.000Z",
    ...options.manifest,
  };
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  if (proven) {
    await writeFile(join(folder, "proof.json"), JSON.stringify({ verifiedAt: manifest.builtAt, how: "", checks: [] }));
  }
  return manifest;
}
