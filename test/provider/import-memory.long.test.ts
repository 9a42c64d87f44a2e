// The plugin's memory use for a large disk, measured in a process that has loaded the whole plugin.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { cloudLabels } from "../../common/labels.ts";
import { ec2Labels } from "../../components/ec2/facts/labels.ts";
import { gceLabels } from "../../components/gce/facts/labels.ts";
import { importLease } from "../../components/openstack/provider/resources/import-lease.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { openEc2Api } from "../components/ec2/ec2-api.ts";
import * as gce from "../components/gce/support.ts";
import * as openstack from "../components/openstack/support.ts";
import { StorageEmulator } from "../emulators/gcs.ts";
import { restoreEnvironment } from "../restore-environment.ts";
import { startGce } from "../test-cloud/gce-api.ts";
import { startOpenStack } from "../test-cloud/openstack-api.ts";
import { baseImage } from "../test-cloud/ec2-cloud.ts";
import { makeStoredImage } from "../components/local/stored-image.ts";

/** The limit in MiB. */
const most = 300;

const recipe = "b".repeat(64);

describe("the plugin's memory while it imports a disk of 50 GiB with 800 MiB of data", function () {
  this.timeout(900_000);
  let home: string;
  let folder: string;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-images-import-"));
    folder = join(home, "image");
    await makeStoredImage(folder, { recipe, size: 50 * 2 ** 30, data: 800 });
  });
  after(() => rm(home, { recursive: true }));

  /** Creates a resource in another process. @returns the process's peak memory in MiB. */
  async function peak(token: string, inputs: object): Promise<number> {
    const script = `
      const { findResource, parts } = await import(${JSON.stringify(join(projectDirectory, "provider/registry.ts"))});
      const type = await findResource(parts, ${JSON.stringify(token)});
      const context = { progress() {}, signal: new AbortController().signal };
      await type.create(JSON.parse(process.env.INPUTS), context);
      // Not process.resourceUsage().maxRSS, which a process inherits from the one that started it.
      process.stdout.write(/^VmHWM:\\s+(\\d+)/m.exec((await import("node:fs")).readFileSync("/proc/self/status", "utf8"))[1]);
      process.exit();`;
    const env = { CI_IMAGES_CACHE: join(home, "cache"), INPUTS: JSON.stringify(inputs) };
    const words = ["--import", "tsx/esm", "--input-type=module", "--eval", script];
    const { stdout } = await execa(process.execPath, words, { cwd: projectDirectory, env });
    return Number(stdout) / 1024;
  }

  it("stays below 300 MiB for EC2", async () => {
    const { close } = await openEc2Api([baseImage]);
    try {
      const owner = { project: "ci-images", stack: "test", distribution: "debian12" };
      const lease = cloudLabels(ec2Labels, { ...owner, recipe, role: "image" });
      const importing = {
        ...{ folder, recipe, name: "worker", description: "worker: debian12", lease, lifetime: 3600, diskSize: 50 },
        ...{ bootMode: "uefi-preferred", encrypted: false },
      };
      const used = await peak("ci-images:ec2:ImportedImage", { region: "eu-central-1", tags: lease, importing });
      assert.ok(used > 50 && used < most, `${used.toFixed(0)} MiB`);
    } finally {
      await close();
    }
  });

  it("stays below 300 MiB for Glance", async () => {
    const cloud = await startOpenStack();
    const earlier = { ...process.env };
    try {
      Object.assign(process.env, cloud.environment);
      const region = "RegionOne";
      const leased = { region, prefix: "p", labels: { ...openstack.labels, role: "image" as const }, lifetime: 3600 };
      const { outputs } = await importLease.create(leased, openstack.testContext());
      const { machine, expires } = outputs;
      const { project, stack, distribution } = openstack.labels;
      const importing = { folder, machine, base: "base", expires, plan: { recipe }, format: "qcow2", defaults: {} };
      const identity = { region, project, stack, distribution, recipe, name: "worker" };
      const used = await peak("ci-images:rackspace:ServerImage", { ...identity, properties: {}, importing });
      assert.ok(used > 50 && used < most, `${used.toFixed(0)} MiB`);
    } finally {
      restoreEnvironment(earlier);
      await cloud.close();
    }
  });

  it("stays below 300 MiB for Compute Engine", async () => {
    const bucket = "ci-images-test";
    const storage = await StorageEmulator.start(bucket);
    const api = await startGce({ storage: (source) => storage.content(source) });
    const earlier = { ...process.env };
    try {
      Object.assign(process.env, api.environment, { STORAGE_EMULATOR_HOST: storage.url });
      const importing = {
        ...{ folder, recipe, bucket, object: "worker.tar.gz", line: "worker", facts: { recipe, name: "worker" } },
        ...{ expires: "20300101T000000Z", labels: cloudLabels(gceLabels, { ...gce.labels, recipe, role: "image" }) },
        ...{ guestOsFeatures: ["UEFI_COMPATIBLE"], storageLocations: [] },
      };
      const used = await peak("ci-images:gce:ImportedImage", { project: "bakery", name: "worker-1", importing });
      assert.ok(used > 50 && used < most, `${used.toFixed(0)} MiB`);
    } finally {
      restoreEnvironment(earlier);
      await api.close();
      await storage.close();
    }
  });
});
