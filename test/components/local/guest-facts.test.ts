// Whether an image can run on a cloud: its drivers and data sources are read from a real root, and compared with the
// cloud's needs before an upload.
import assert from "node:assert/strict";
import { guestFacts, assertRunsOn, type GuestFacts } from "../../../components/local/provider/disk/guest-facts.ts";
import { cachedBase } from "../../cached-base.ts";

const needs = { cloud: "EC2", disk: "nvme", network: "ena", dataSources: ["Ec2"] };
const complete: GuestFacts = {
  kernel: "6.1.0-56-cloud-amd64",
  drivers: { nvme: "ramdisk", ena: "module", virtio_blk: "builtin" },
  dataSources: ["NoCloud", "Ec2"],
};
const check = (guest: Partial<GuestFacts> | undefined) => () =>
  assertRunsOn({ path: "/images/x", manifest: { guest: guest && { ...complete, ...guest } } }, needs);

describe("an image's drivers and data sources", function () {
  this.timeout(120_000);

  it("are read from a root, for all clouds", async function () {
    if (process.getuid?.() !== 0) return this.skip();
    const facts = await guestFacts({ path: `${await cachedBase()}`, enter: [] });
    assert.match(facts.kernel, /^\d+\.\d+\.\d+-.*cloud-amd64$/);
    for (const driver of ["nvme", "virtio_blk", "virtio_scsi"]) {
      assert.match(facts.drivers[driver], /^(ramdisk|builtin)$/, driver);
    }
    for (const driver of ["ena", "virtio_net", "gve"]) assert.notEqual(facts.drivers[driver], "missing", driver);
    for (const source of ["OpenStack", "ConfigDrive", "Ec2", "GCE"]) assert.ok(facts.dataSources.includes(source));
  });

  it("are enough for the cloud, or the error names everything that is missing, with its cure", () => {
    assert.doesNotThrow(check({}));
    assert.doesNotThrow(check({ dataSources: ["all"] }));
    assert.doesNotThrow(check(undefined), "images of earlier versions have no record and pass");
    assert.throws(check({ drivers: { nvme: "module" }, dataSources: ["NoCloud"] }), (error: Error) => {
      assert.match(
        error.message,
        /for EC2: the ramdisk of kernel 6\.1\.0-56-cloud-amd64 has no driver nvme.*MODULES=most/,
      );
      assert.match(error.message, /has no driver ena; allowed: ena, for the network card; cure: install a kernel/);
      assert.match(
        error.message,
        /cloud-init reads only from NoCloud; allowed: the data source Ec2; cure: .*datasource_list/,
      );
      return true;
    });
    assert.throws(check({ dataSources: ["none"] }), /has no cloud-init/);
  });
});
