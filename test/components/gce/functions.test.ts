// The program's queries to Google Compute Engine, against a fake Compute API.
import assert from "node:assert/strict";
import { packFacts } from "../../../common/image-facts.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { gceLabels, imageName, ownLabels } from "../../../components/gce/facts/labels.ts";
import type { BaseSource } from "../../../components/gce/contract.ts";
import {
  gceAccount,
  gcePreflight,
  gceResolveBase,
  gceSurvey,
} from "../../../components/gce/provider/functions/lookups.ts";
import type { GceApi, Image } from "../../test-cloud/gce-api.ts";
import { labels, makeMachine, watching, withGce } from "./support.ts";

const family: BaseSource = { kind: "family", project: "debian-cloud", family: "debian-12" };

function resolve(source: BaseSource = family, others: { architecture?: "amd64" | "arm64"; pinned?: string } = {}) {
  const inputs = { project: "bakery", source, architecture: "amd64" as const, distribution: "debian12", ...others };
  return gceResolveBase.call(inputs, watching());
}

function addDebian(api: GceApi, date: string, changes: Partial<Image> = {}): Image {
  const creationTimestamp = `${date.replace(/(\d{4})(\d\d)(\d\d)/, "$1-$2-$3")}T00:00:00.000-08:00`;
  return api.addBase("debian-cloud", `debian-12-v${date}`, { family: "debian-12", creationTimestamp, ...changes });
}

describe("a base image on gce", () => {
  it("is the newest of its family, identified by name and number", () =>
    withGce(async (api) => {
      addDebian(api, "20261001");
      const { id } = addDebian(api, "20261101");
      addDebian(api, "20261102", { deprecated: { state: "DEPRECATED" } });
      assert.deepEqual(await resolve(), {
        id: `projects/debian-cloud/global/images/debian-12-v20261101@${id}`,
        description: "debian-12-v20261101 of debian-cloud",
        image: "projects/debian-cloud/global/images/debian-12-v20261101",
        features: ["UEFI_COMPATIBLE", "GVNIC"],
        sizeGb: 10,
      });
    }));

  it("is found in a family that is completely deprecated, with a notice", () =>
    withGce(async (api) => {
      addDebian(api, "20240101", { deprecated: { state: "DEPRECATED" } });
      addDebian(api, "20240601", { deprecated: { state: "DEPRECATED", replacement: "debian-13" } });
      const { description, notice } = await resolve();
      assert.equal(description, "debian-12-v20240601 of debian-cloud");
      assert.match(notice!, /deprecated; Google names debian-13 as its replacement/);
    }));

  it("is refused with its state if Google no longer offers it", () =>
    withGce(async (api) => {
      addDebian(api, "20240601", { deprecated: { state: "OBSOLETE" } });
      await assert.rejects(
        resolve(),
        /debian-12-v20240601: the base image of debian12 for amd64 is OBSOLETE.*gce\.bases/,
      );
    }));

  it("that doesn't exist causes an error with what was searched for, where, and similar names", () =>
    withGce(async (api) => {
      addDebian(api, "20261101");
      api.addBase("debian-cloud", "sles", { family: "sles-15" });
      await assert.rejects(
        resolve({ ...family, family: "debian-21" }),
        /project debian-cloud: family debian-21: no base image for debian12 for amd64.*similar names: debian-12, sles-15/,
      );
      await assert.rejects(
        resolve({ kind: "image", project: "debian-cloud", image: "debian-12-v2026110" }),
        /image debian-12-v2026110: .*similar names: debian-12-v20261101/,
      );
    }));

  it("for another architecture is refused", () =>
    withGce(async (api) => {
      addDebian(api, "20261101");
      await assert.rejects(
        resolve(family, { architecture: "arm64" }),
        /an image for X86_64; allowed: an image for ARM64/,
      );
    }));

  it("stays the same if pinned, and it is an error if the pinned image is gone or was replaced", () =>
    withGce(async (api) => {
      addDebian(api, "20261001");
      const { id } = await resolve();
      addDebian(api, "20261101");
      assert.equal((await resolve(family, { pinned: id })).id, id);
      addDebian(api, "20261001");
      await assert.rejects(
        resolve(family, { pinned: id }),
        /is now a different image of the same name.*ci-images:base to latest/,
      );
      api.project("debian-cloud").images.clear();
      await assert.rejects(resolve(family, { pinned: id }), /debian12 for amd64 is pinned to is gone/);
    }));
});

describe("the survey on gce", () => {
  const owner = { project: "ci-images", stack: "gce", distribution: "debian12" };
  const survey = () => gceSurvey.call({ project: "bakery", owner }, watching());

  function addImage(api: GceApi, name: string, changes: Partial<Image> & { own?: Record<string, string> } = {}) {
    const { own = {}, ...others } = changes;
    const description = packFacts(name, { recipe: name }, { longest: 2048, dispensable: [] });
    const labelled = { ...cloudLabels(gceLabels, { ...labels, role: "image" }), ...own };
    return api.addBase("bakery", name, { description, labels: labelled, ...others });
  }

  it("lists the stack's images, newest first, and says which are verified", () =>
    withGce(async (api) => {
      addImage(api, "old", { creationTimestamp: "2026-11-01T10:00:00.000-08:00", own: { "ci-images-verified": "x" } });
      addImage(api, "new", { creationTimestamp: "2026-11-01T19:00:00.000+00:00" });
      addImage(api, "other", { own: { "ci-images-stack": "other" } });
      addImage(api, "unfinished", { status: "PENDING" });
      addImage(api, "foreign", { description: "no facts" });
      const { images, unfinished } = await survey();
      assert.deepEqual(unfinished, [{ image: "unfinished", status: "PENDING" }]);
      assert.deepEqual(
        images.map(({ image, proven, builtAt, facts }) => ({ image, proven, builtAt, facts })),
        [
          { image: "new", proven: false, builtAt: "2026-11-01T19:00:00.000Z", facts: { recipe: "new" } },
          { image: "old", proven: true, builtAt: "2026-11-01T18:00:00.000Z", facts: { recipe: "old" } },
        ],
      );
    }));

  it("finds the builders of interrupted bakes by their full recipe hash", () =>
    withGce(async (api) => {
      await makeMachine(api, "builder", { labels: cloudLabels(gceLabels, labels) });
      await makeMachine(api, "trial", { labels: cloudLabels(gceLabels, { ...labels, role: "trial" }) });
      assert.deepEqual((await survey()).builders, [labels.recipe]);
    }));

  it("tells builders past their deadline, which are replaced, from the others", () =>
    withGce(async (api) => {
      await makeMachine(api, "builder", { labels: cloudLabels(gceLabels, labels) });
      const instance = api.project("bakery").instances.get("here-a/builder")!;
      for (const [expires, isExpired] of [
        ["29990101t000000z", false],
        ["20200101t000000z", true],
      ] as const) {
        instance.labels!["ci-images-expires"] = expires;
        const { builders, expired } = await survey();
        assert.deepEqual([builders, expired], isExpired ? [[], [labels.recipe]] : [[labels.recipe], []]);
      }
    }));

  it("reports builders that were sealed and stopped, until they expire", () =>
    withGce(async (api) => {
      const own = (expires: string) => ({
        labels: { ...cloudLabels(gceLabels, labels), "ci-images-expires": expires },
      });
      await makeMachine(api, "builder", own("29990101t000000z"));
      const { instances, disks } = api.project("bakery");
      const [instance, disk] = [instances.get("here-a/builder")!, disks.get("here-a/builder")!];
      disk.labels!["ci-images-retired"] = "yes";
      assert.deepEqual((await survey()).sealed, [], "the builder still runs");
      instance.status = "TERMINATED";
      assert.deepEqual((await survey()).sealed, [labels.recipe]);
      instance.labels!["ci-images-expires"] = "20200101t000000z";
      assert.deepEqual((await survey()).sealed, []);
    }));

  it("tells stacks apart whose names are the same as labels", () =>
    withGce(async (api) => {
      const stacks = ["Prod.v1", "prod-v1", "prod.v1"];
      const facts = { recipe: labels.recipe, name: "worker" };
      const description = packFacts("worker", facts, { longest: 2048, dispensable: [] });
      for (const stack of stacks) {
        const machine = `builder-${stacks.indexOf(stack)}`;
        await makeMachine(api, machine, { labels: ownLabels({ ...labels, stack }, {}) });
        // Older versions: the name alone tells.
        const image = imageName(stack, { ...facts, distribution: "debian12" });
        addImage(api, image, { description, labels: cloudLabels(gceLabels, { ...labels, stack, role: "image" }) });
        const own = ownLabels({ ...labels, stack, role: "image" }, {});
        addImage(api, `new-${machine}`, { description, labels: own, name: image });
      }
      for (const stack of stacks) {
        const found = await gceSurvey.call({ project: "bakery", owner: { ...owner, stack } }, watching());
        const image = imageName(stack, { ...facts, distribution: "debian12" });
        assert.deepEqual(
          found.images.map((each) => each.image),
          [image, image],
        );
        assert.equal(found.builders.length, 1);
      }
      assert.deepEqual(ownLabels(labels, {}), cloudLabels(gceLabels, labels), "most stacks need no more labels");
    }));

  it("reads all pages of a long list", () =>
    withGce(async (api) => {
      for (let number = 0; number < 1001; number += 1) addImage(api, `image-${number}`);
      assert.equal((await survey()).images.length, 1001);
    }));
});

describe("the preflight on gce", () => {
  const wanted = {
    project: "bakery",
    zone: "here-a",
    machineType: "e2-small",
    architecture: "amd64" as const,
    network: "default",
  };
  const refused = (changes: object, pattern: RegExp) =>
    assert.rejects(gcePreflight.call({ ...wanted, ...changes }, watching()), pattern);

  it("accepts an existing zone, machine type and network", () =>
    withGce(async () => {
      await gcePreflight.call(wanted, watching());
    }));

  it("returns the address ranges of the machines' network", () =>
    withGce(async () => {
      const ranges = async (inside: { network: string; subnetwork?: string }) =>
        (await gcePreflight.call({ ...wanted, inside }, watching())).ranges;
      assert.deepEqual(await ranges({ network: "default" }), ["127.0.0.0/8"]);
      assert.deepEqual(await ranges({ network: "default", subnetwork: "default" }), ["127.0.0.0/8"]);
      const shared = { network: "projects/host/global/networks/default" };
      assert.deepEqual(await ranges(shared), ["127.0.0.0/8"]);
      assert.deepEqual(
        await ranges({ ...shared, subnetwork: "other" }),
        [],
        "the host project's subnetwork is not visible",
      );
    }));

  it("names the wrong setting, and the nearest name", () =>
    withGce(async () => {
      await refused(
        { zone: "here-c" },
        /ci-images:gce\.zone: project bakery has no zone here-c; allowed: here-a, here-b/,
      );
      await refused({ machineType: "e2-smal" }, /gce\.machineType: .*did you mean e2-small\?/);
      await refused({ machineType: "t2a-standard-2" }, /is for ARM64; allowed: a machine type for X86_64/);
      await refused({ network: "defalt" }, /gce\.network: .*did you mean default\?/);
    }));

  it("refuses an image whose name a stack of another Pulumi project has taken", () =>
    withGce(async (api) => {
      const image = { name: "gce-worker-1", owner: { project: "ci-images", stack: "gce" } };
      await gcePreflight.call({ ...wanted, image }, watching());
      const present = api.addBase("bakery", image.name, { labels: cloudLabels(gceLabels, labels) });
      await gcePreflight.call({ ...wanted, image }, watching());
      present.labels = cloudLabels(gceLabels, { ...labels, project: "other" });
      await refused({ image }, /image gce-worker-1: belongs to other\/gce; cure: .*another name/);
    }));

  it("refuses if quotas leave no room for a builder, and names each quota that is too small, with the cure", () =>
    withGce(async (api) => {
      const room = { diskSize: 48, diskType: "pd-balanced", spot: false, publicAddress: true, firewall: true };
      const { quotas } = api.project("bakery");
      Object.assign(quotas, { CPUS: 2, SSD_TOTAL_GB: 48, IN_USE_ADDRESSES: 1, FIREWALLS: 2 });
      await gcePreflight.call({ ...wanted, room }, watching());
      quotas.CPUS = 1;
      quotas.SSD_TOTAL_GB = 40;
      await refused(
        { room },
        /region here: quota CPUS: 0 of 1 are in use, and a builder needs 2;.*raise the quota or free some[^\n]*\n.*quota SSD_TOTAL_GB: 0 of 40/,
      );
      await gcePreflight.call(wanted, watching());
      Object.assign(quotas, { E2_CPUS: 8 });
      await refused({ room }, /^[^\n]*SSD_TOTAL_GB[^\n]*$/);
      delete quotas.E2_CPUS;
      await refused({ room: { ...room, diskType: "pd-standard" } }, /^[^\n]*CPUS[^\n]*$/);
      quotas.FIREWALLS = 0;
      await refused({ room }, /the whole project: quota FIREWALLS: 0 of 0/);
    }));
});

describe("the quota of processors on gce", () => {
  it("is that of the machine's own family; newer families do not count as CPUS", () =>
    withGce(async (api) => {
      const room = { diskSize: 10, diskType: "pd-balanced", spot: false, publicAddress: true, firewall: true };
      const wanted = { project: "bakery", zone: "here-a", architecture: "amd64" as const, room };
      api.project("bakery").quotas.CPUS = 1;
      for (const name of ["c4-standard-2", "n1-standard-2", "custom-2-4096"]) {
        api.machineTypes.push({ name, architecture: "X86_64", guestCpus: 2 });
      }
      await gcePreflight.call({ ...wanted, machineType: "c4-standard-2" }, watching());
      for (const machineType of ["n1-standard-2", "custom-2-4096", "e2-small"]) {
        await assert.rejects(gcePreflight.call({ ...wanted, machineType }, watching()), /quota CPUS: 0 of 1/);
      }
    }));
});

describe("the account on gce", () => {
  it("uses the project of the settings, or else of the environment", () =>
    withGce(async () => {
      assert.equal((await gceAccount.call({ project: "mine" }, watching())).project, "mine");
      assert.equal((await gceAccount.call({}, watching())).project, "bakery");
    }));

  it("needs a project", () =>
    withGce(async () => {
      delete process.env.GCE_PROJECT;
      await assert.rejects(gceAccount.call({}, watching()), /ci-images:gce\.project: not set/);
    }));
});
