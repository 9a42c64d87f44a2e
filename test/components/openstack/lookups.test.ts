// Lookups before a bake: base images, which clouds name differently, and what a bake needs in a region.
import assert from "node:assert/strict";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { baseOf } from "../../../components/openstack/bases.ts";
import { fitsName } from "../../../components/openstack/provider/base-images.ts";
import { regions, resolveBase } from "../../../components/openstack/provider/functions/lookups.ts";
import { preflight } from "../../../components/openstack/provider/functions/preflight.ts";
import { cloudForEachTest, setEnvironment, testContext } from "./support.ts";

describe("rackspace base images", () => {
  const cloud = cloudForEachTest();
  const resolve = (distribution: string, changes = {}) =>
    resolveBase.call(
      { region: "RegionOne", distribution, base: baseOf(distribution), architecture: "amd64", ...changes },
      testContext(),
    );

  for (const [distribution, ...names] of [
    [
      "debian12",
      "Debian 12 (Bookworm) (PVHVM)",
      "debian-12-genericcloud-amd64-20241110-1927",
      "Debian 12",
      "Debian-12.8",
    ],
    ["debian13", "debian-13-generic-amd64", "Debian 13 (Trixie)"],
    ["ubuntu22.04", "Ubuntu 22.04 LTS (Jammy Jellyfish) (PVHVM)", "jammy-server-cloudimg-amd64", "Ubuntu-22.04"],
    ["ubuntu24.04", "Ubuntu 24.04 Noble Numbat - Latest", "ubuntu-noble-24.04-amd64-server-20240911"],
    ["ubuntu14.04", "Ubuntu 14.04 LTS (Trusty Tahr) (PVHVM)"],
    ["rocky9", "Rocky-9-GenericCloud-Base-9.4-20240509.0.x86_64", "Rocky Linux 9"],
    ["centos-stream9", "CentOS-Stream-GenericCloud-9-20240909.0.x86_64", "CentOS Stream 9"],
    ["centos7", "CentOS 7 (PVHVM)", "CentOS-7-x86_64-GenericCloud-2009"],
  ]) {
    it(`of ${distribution} are recognized by their usual names and by no other distribution's`, async () => {
      for (const name of names) {
        assert.ok(fitsName(name, baseOf(distribution), "amd64"), name);
        for (const other of [
          "debian12",
          "debian13",
          "ubuntu22.04",
          "ubuntu24.04",
          "rocky9",
          "centos-stream9",
          "centos7",
        ]) {
          if (other !== distribution) assert.ok(!fitsName(name, baseOf(other), "amd64"), `${name} as ${other}`);
        }
      }
    });
  }

  it("don't match images of another architecture, another release or with extra software", () => {
    assert.ok(!fitsName("debian-12-genericcloud-arm64", baseOf("debian12"), "amd64"));
    assert.ok(fitsName("debian-12-genericcloud-arm64", baseOf("debian12"), "arm64"));
    assert.ok(!fitsName("Debian 12 with CUDA", baseOf("debian12"), "amd64"));
    assert.ok(!fitsName("Debian 11", baseOf("debian12"), "amd64"));
  });

  it("are the newest active images that are neither snapshots nor our own", async () => {
    const region = cloud().region();
    region.addImage({ name: "Debian 12", created_at: "2024-01-01T00:00:00Z" });
    const newest = region.addImage({ name: "Debian 12", created_at: "2025-01-01T00:00:00Z" });
    region.addImage({ name: "Debian 12", created_at: "2026-01-01T00:00:00Z", status: "deactivated" });
    region.addImage({ name: "Debian 12", created_at: "2026-01-01T00:00:00Z", image_type: "snapshot" });
    region.addImage({ name: "Debian 12", created_at: "2026-01-01T00:00:00Z", ci_images_recipe: "abc" });
    assert.deepEqual(await resolve("debian12"), {
      id: newest,
      description: "Debian 12 of 2025-01-01",
      notice: undefined,
    });
  });

  it("are found by os_distro and os_version if no name fits, also on later pages of the list", async () => {
    const region = cloud().region();
    for (let index = 0; index < 130; index++) region.addImage({ name: `other ${index}` });
    const created_at = "2020-01-01T00:00:00Z";
    const id = region.addImage({ name: "company golden", os_distro: "Debian", os_version: "12", created_at });
    assert.equal((await resolve("debian12")).id, id);
  });

  it("can be chosen by id or by name", async () => {
    const region = cloud().region();
    const id = region.addImage({ name: "mine" });
    region.addImage({ name: "Debian 12" });
    assert.equal((await resolve("debian12", { chosen: { name: "mine" } })).id, id);
    assert.equal((await resolve("debian12", { chosen: { id } })).id, id);
  });

  it("fail if they are missing; the error says where it searched and lists similar names", async () => {
    cloud().region().addImage({ name: "Debian 11 (Bullseye)" });
    await assert.rejects(
      async () => resolve("debian12"),
      /base image of debian12 in region RegionOne: there is no active image whose name or properties say debian12 \(amd64\); allowed: similar names: Debian 11 \(Bullseye\); cure: set ci-images:rackspace\.bases\.debian12\.name/,
    );
    await assert.rejects(
      async () => resolve("debian12", { chosen: { id: "no-such" } }),
      /image no-such does not exist/,
    );
  });

  it("come with a notice if several kinds of images fit", async () => {
    cloud().region().addImage({ name: "debian-12-generic" });
    cloud().region().addImage({ name: "debian-12-genericcloud" });
    assert.match((await resolve("debian12")).notice!, /2 kinds of images fit debian12/);
  });
});

describe("rackspace regions", () => {
  const cloud = cloudForEachTest({ regions: ["ORD", "DFW"] });

  it("come from the catalog, and the default region from the credentials", async () => {
    assert.deepEqual(await regions.call({}, testContext()), { regions: ["DFW", "ORD"], usual: "ORD", notices: [] });
    const { OS_AUTH_URL } = cloud().environment;
    const old = { OS_AUTH_URL: OS_AUTH_URL.replace("/v3", "/v2.0"), OS_REGION_NAME: undefined };
    setEnvironment(withoutUndefined({ ...cloud().environment, ...old }));
    const found = await regions.call({}, testContext());
    assert.equal(found.usual, undefined);
    assert.equal(found.authUrl, OS_AUTH_URL);
    assert.match(found.notices.join(), /v2\.0/);
  });
});

function withoutUndefined(values: Record<string, string | undefined>) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

describe("rackspace preflight", () => {
  const cloud = cloudForEachTest();
  const ask = (changes = {}) =>
    preflight.call({ region: "RegionOne", flavor: "m1.small", networks: [], ...changes }, testContext());

  it("finds flavor and networks by name or id", async () => {
    const found = await ask({ flavor: "2", networks: ["private"], floatingNetwork: "public" });
    assert.equal(found.flavor, "2");
    assert.deepEqual(
      found.networks.map(({ name }) => name),
      ["private"],
    );
    assert.equal(found.floatingNetwork!.name, "public");
  });

  it("returns how to reach machines: their address family and networks, or no networks with floating addresses", async () => {
    const { reached } = await ask({ networks: ["private"] });
    assert.deepEqual(reached, { family: 4, networks: ["127.0.0.0/8"], cloudHost: "127.0.0.1" });
    assert.deepEqual((await ask({ floatingNetwork: "public" })).reached.networks, []);
    const region = cloud().region();
    region.addSubnet(region.addNetwork("six", false, "fd00::/64"), "2001:db8::/64");
    const six = (await ask({ networks: ["six"] })).reached;
    assert.deepEqual([six.family, six.networks], [6, ["fd00::/64", "2001:db8::/64"]]);
  });

  it("demands a flavor, and suggests the nearest name", async () => {
    await assert.rejects(async () => ask({ flavor: undefined }), /rackspace\.flavor: not set; allowed: m1\.small/);
    await assert.rejects(async () => ask({ flavor: "m1.smal" }), /did you mean "m1\.small"/);
  });

  it("refuses a flavor without a disk unless it boots from a volume, and one too small for the base", async () => {
    await assert.rejects(
      async () => ask({ flavor: "v1.medium" }),
      /has no disk of its own; cure: set ci-images:rackspace\.volume\.size/,
    );
    assert.equal((await ask({ flavor: "v1.medium", volumeSize: 10 })).flavor, "3");
    const base = cloud().region().addImage({ name: "large", min_disk: 30 });
    await assert.rejects(async () => ask({ base }), /20 GiB of disk, but the base image needs 30/);
    const hungry = cloud().region().addImage({ name: "hungry", min_ram: 4096 });
    await assert.rejects(async () => ask({ base: hungry }), /2048 MiB of memory, but the base image needs 4096/);
  });

  it("refuses a pinned base that is gone", async () => {
    await assert.rejects(
      async () => ask({ base: "gone" }),
      /base image gone in region RegionOne: is gone; cure: set ci-images:base to latest/,
    );
  });

  it("demands a network if there are several, and suggests the nearest name", async () => {
    cloud().region().addNetwork("backup", false);
    await assert.rejects(async () => ask(), /rackspace\.networks: not set, and there are 2 networks/);
    await assert.rejects(async () => ask({ networks: ["privat"] }), /no network "privat".*did you mean "private"/);
    await assert.rejects(
      async () => ask({ networks: ["private"], floatingNetwork: "private" }),
      /floatingNetwork: there is no network/,
    );
  });

  it("refuses if a quota leaves no room, unless the builder already exists", async () => {
    const region = cloud().region();
    region.quota = 0;
    region.coreQuota = 0;
    await assert.rejects(
      async () => ask(),
      /0 of the quota of 0 servers are in use, and a builder needs 1; .*sweep.*\n.*of 0 processors \(cores\)/,
    );
    await ask({ occupied: true });
    Object.assign(region, { quota: 1, coreQuota: -1 });
    await ask();
  });

  it("reports whether the user's key pair exists, and refuses a different key of that name", async () => {
    const [mine, other] = [1, 2].map(() => makeSshKeyPair().publicKey);
    const keyPair = { name: "me", publicKey: mine };
    assert.equal((await ask({ keyPair })).hasKeyPair, false);
    cloud()
      .region()
      .keypairs.set("me", { name: "me", public_key: `${mine} comment` });
    assert.equal((await ask({ keyPair })).hasKeyPair, true);
    cloud().region().keypairs.set("me", { name: "me", public_key: other });
    await assert.rejects(async () => ask({ keyPair }), /holds a different key from RACKSPACE_PRIVATE_KEY_FILENAME/);
  });
});
