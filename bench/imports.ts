// How fast a disk is imported into a cloud, compared with a local copy of the same file and with OpenStack's own
// client. The services are emulators and OpenStack's own Glance on this computer, so no network is involved.
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { Region } from "../components/openstack/provider/region.ts";
import { uploadImage } from "../components/openstack/provider/upload.ts";
import { Bucket } from "../components/gce/provider/storage.ts";
import { diskArchive } from "../components/gce/provider/disk-archive.ts";
import { StorageEmulator } from "../test/emulators/gcs.ts";
import { fillCatalog, region, startOpenStackServices } from "../test/emulators/openstack-services.ts";
import { makeStoredImage } from "../test/components/local/stored-image.ts";
import { projectDirectory } from "../toolchain/versions.mjs";
import type { Row } from "./table.ts";

const mebibyte = 2 ** 20;
/** MiB of random data: about the default image's qcow2. */
const data = 300;
/** The release of OpenStack's client to compare with. */
const client = "7.4.0";

/** What OpenStack's client requires and ours assumes. */
const domains = { OS_USER_DOMAIN_ID: "default", OS_PROJECT_DOMAIN_ID: "default", OS_IDENTITY_API_VERSION: "3" };

/** Measures every way once. */
export async function benchImports(say: (line: string) => void): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  const rows: Row[] = [];
  const context = { progress: () => {}, signal: new AbortController().signal };
  const measure = async (what: string, work: () => Promise<unknown>, other?: { what: string; seconds: number }) => {
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    const memory = (process.memoryUsage.rss() / mebibyte).toFixed(0);
    say(`${what}: ${(data / seconds).toFixed(0)} MiB/s, memory ${memory} MiB`);
    rows.push({ what, seconds, ...(other && { against: other }) });
    return { what, seconds };
  };
  try {
    await makeStoredImage(folder, { size: 2 * 2 ** 30, data, formats: ["qcow2", "raw"] });
    const qcow2 = join(folder, "disk.qcow2");
    const copied = await measure("cp of the qcow2", () => cp(qcow2, join(folder, "copy")));
    const sparse = await measure("cp --sparse of the raw disk", () =>
      execa("cp", ["--sparse=always", join(folder, "disk.raw"), join(folder, "copy.raw")]),
    );
    const services = await startOpenStackServices();
    try {
      await fillCatalog(services);
      Object.assign(process.env, services.environment);
      const image = { disk: qcow2, format: "qcow2" as const, name: "bench", minDisk: 2, properties: {} };
      const openstack = await installedClient();
      const words = [
        "image",
        "create",
        "--disk-format",
        "qcow2",
        "--container-format",
        "bare",
        "--file",
        qcow2,
        "bench",
      ];
      const run = () => execa(openstack, words, { env: { ...services.environment, ...domains } });
      const theirs = await measure("openstack image create --file", run, copied);
      const upload = () => uploadImage(new Region(region, context), image);
      await measure("the qcow2 into Glance", upload, theirs);
    } finally {
      await services.stop();
    }
    const storage = await StorageEmulator.start("bench");
    try {
      process.env.STORAGE_EMULATOR_HOST = storage.url;
      const bucket = await Bucket.open("bench", context);
      const archive = diskArchive(join(folder, "disk.raw"), context.signal);
      await measure(
        "the raw disk into a bucket of GCE",
        () => bucket.upload("bench.tar.gz", archive, {}, () => {}),
        sparse,
      );
    } finally {
      await storage.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return rows;
}

/** OpenStack's command-line client; installed into the project's cache on first use. */
async function installedClient(): Promise<string> {
  const home = join(projectDirectory, ".cache", `python-openstackclient-${client}`);
  const program = join(home, "bin/openstack");
  if (!existsSync(program)) {
    await execa("python3", ["-m", "venv", home]);
    await execa(join(home, "bin/pip"), ["install", "--quiet", `python-openstackclient==${client}`]);
  }
  return program;
}
