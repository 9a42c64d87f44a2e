// Measures how fast the default image is imported into a cloud, compared with copying the same file on this computer
// and with OpenStack's own client. The services are emulators and OpenStack's Glance on this computer, so there is no
// network to wait for.
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import { mebibyte } from "../common/sizes.ts";
import { uploadSnapshot } from "../components/ec2/provider/snapshot-upload.ts";
import { Region } from "../components/openstack/provider/region.ts";
import { uploadImage } from "../components/openstack/provider/upload.ts";
import { Bucket } from "../components/gce/provider/storage.ts";
import { diskArchive } from "../components/gce/provider/disk-archive.ts";
import { StorageEmulator } from "../test/emulators/gcs.ts";
import { fillCatalog, region, startOpenStackServices } from "../test/emulators/openstack-services.ts";
import { openEc2Api } from "../test/components/ec2/ec2-api.ts";
import { projectDirectory } from "../toolchain/versions.mjs";
import { readYaml } from "../provision/recipe/read-yaml.ts";
import type { Row } from "./table.ts";
import { recipeFile } from "./warm.ts";

/** The release of OpenStack's client. */
const client = "7.4.0";

/** Variables that OpenStack's client needs and ours does not. */
const domains = { OS_USER_DOMAIN_ID: "default", OS_PROJECT_DOMAIN_ID: "default", OS_IDENTITY_API_VERSION: "3" };

/** Bakes the default image and measures each import once. @param say Receives progress lines. */
export async function benchImports(say: (line: string) => void): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  const rows: Row[] = [];
  const context = { progress: () => {}, signal: new AbortController().signal };
  const measure = async (what: string, file: string, work: () => Promise<unknown>, other?: Row["against"]) => {
    // The stored size: holes of a sparse file are not read.
    const size = ((await stat(file)).blocks * 512) / mebibyte;
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    const row = { what: `${what}, ${(size / seconds).toFixed(0)} MiB/s`, seconds };
    say(row.what);
    rows.push({ ...row, ...(other && { against: other }) });
    return { what, seconds };
  };
  const recipe = readYaml(recipeFile) as object;
  const stack = await TemporaryStack.create({ ...recipe, formats: ["qcow2", "raw"] }, { verify: false });
  try {
    say("imports: baking the default image");
    await stack.up();
    const { path } = (await stack.outputs()).images!.local.debian12;
    const [qcow2, raw] = [join(path, "disk.qcow2"), join(path, "disk.raw")];
    const copied = await measure("cp of the qcow2", qcow2, () => cp(qcow2, join(folder, "copy")));
    const sparse = await measure("cp --sparse of the raw disk", raw, () =>
      execa("cp", ["--sparse=always", raw, join(folder, "copy.raw")]),
    );
    const services = await startOpenStackServices();
    try {
      await fillCatalog(services);
      Object.assign(process.env, services.environment);
      const image = { disk: qcow2, format: "qcow2" as const, name: "bench", minDisk: 4, properties: {} };
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
      const theirs = await measure("openstack image create --file", qcow2, run, copied);
      const upload = () => uploadImage(new Region(region, context), image);
      await measure("the qcow2 into Glance", qcow2, upload, theirs);
    } finally {
      await services.stop();
    }
    const storage = await StorageEmulator.start("bench");
    try {
      process.env.STORAGE_EMULATOR_HOST = storage.url;
      const bucket = await Bucket.open("bench", context);
      const archive = diskArchive(raw, context.signal);
      await measure(
        "the raw disk into a bucket of GCE",
        raw,
        () => bucket.upload("bench.tar.gz", archive, {}, () => {}),
        sparse,
      );
    } finally {
      await storage.close();
    }
    const { close } = await openEc2Api([]);
    try {
      const size = (await stat(raw)).size;
      const upload = { region: "eu-central-1", disk: raw, content: "bench", size, description: "bench", tags: {} };
      const send = () => uploadSnapshot({ ...upload, encrypted: false }, [], context);
      await measure("the raw disk into a snapshot of EC2", raw, send, sparse);
    } finally {
      await close();
    }
  } finally {
    await rm(folder, { recursive: true });
    await stack.remove();
  }
  return rows;
}

/** The path of OpenStack's command-line client. The first call installs it into the project's cache. */
async function installedClient(): Promise<string> {
  const home = join(projectDirectory, ".cache", `python-openstackclient-${client}`);
  const program = join(home, "bin/openstack");
  if (!existsSync(program)) {
    await execa("python3", ["-m", "venv", home]);
    await execa(join(home, "bin/pip"), ["install", "--quiet", `python-openstackclient==${client}`]);
  }
  return program;
}
