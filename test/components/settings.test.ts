// Stack settings: defaults, and errors.
import assert from "node:assert/strict";
import type { Ec2Stack } from "../../components/ec2/stack.ts";
import { checkSettings, decodeSettings } from "../../components/stack-settings.ts";

describe("stack settings", () => {
  const check = (found: Record<string, unknown>) => checkSettings<Ec2Stack>("Pulumi.test.yaml", "ci-images:", found);

  it("have a default for every key that needs one", () => {
    const { cloud, keep, verify, maxLifetimeSeconds, imageDirectory } = check({});
    assert.deepEqual(
      { cloud, keep, verify, maxLifetimeSeconds, imageDirectory },
      {
        cloud: "local",
        keep: 1,
        verify: { enabled: true, firmware: "uefi" },
        maxLifetimeSeconds: 4 * 3600,
        imageDirectory: "images",
      },
    );
  });

  it("accept `verify` as true, false or an object", () => {
    assert.equal(check({ verify: false }).verify.enabled, false);
    assert.deepEqual(check({ verify: { firmware: "bios" } }).verify, { enabled: true, firmware: "bios" });
  });

  it("report all wrong keys together, with what is allowed", () => {
    assert.throws(
      () => check({ keep: -1, cloud: "azure", imageDirectry: "x" }),
      (error: Error) =>
        /ci-images:keep: -1/.test(error.message) &&
        /ci-images:cloud: "azure"; allowed: local, ec2, gce, rackspace/.test(error.message) &&
        /ci-images:imageDirectry.*did you mean "imageDirectory"/.test(error.message),
    );
  });

  it("know the stages of a bake, and default to the last one", () => {
    assert.deepEqual([check({}).stage, check({}).power], ["image", "on"]);
    assert.equal(check({ stage: "tested" }).stage, "tested");
    assert.throws(
      () => check({ stage: "tests" }),
      /ci-images:stage: "tests".*none, builder, provisioned, tested, image/,
    );
    assert.throws(() => check({ power: "down" }), /ci-images:power: "down".*on, off/);
  });

  it("never show the value of a secret", () => {
    assert.throws(
      () => check({ secrets: { TOKEN: ["s3cr3t"] } }),
      (error: Error) => !error.message.includes("s3cr3t") && error.message.includes("TOKEN"),
    );
  });

  it("keep a cloud's settings under its name, with their own defaults and errors", () => {
    const { ec2 } = check({ ec2: { copyTo: ["eu-west-1"] } });
    assert.deepEqual([ec2.diskSize, ec2.copyTo, ec2.encrypted], [48, ["eu-west-1"], true]);
    assert.throws(
      () =>
        check({ ec2: { regoin: "us-west-2", diskSize: 4, copyTo: ["Oregon"], bases: { debian12: { owner: "1" } } } }),
      (error: Error) =>
        /ci-images:ec2\.regoin: .*did you mean "region"/.test(error.message) &&
        /ci-images:ec2\.diskSize: 4; allowed: .*8/.test(error.message) &&
        /ci-images:ec2\.copyTo\[0\]: "Oregon"; allowed: a region's name/.test(error.message) &&
        /ci-images:ec2\.bases\.debian12/.test(error.message),
    );
  });

  it("accept networks for SSH only in CIDR notation", () => {
    assert.deepEqual(check({ sshFrom: ["203.0.113.7/32", "2001:db8::/48"] }).sshFrom, [
      "203.0.113.7/32",
      "2001:db8::/48",
    ]);
    for (const wrong of ["203.0.113.7", "anywhere", "1.2.3.4/33", "::1/129"]) {
      assert.throws(() => check({ sshFrom: [wrong] }), /ci-images:sshFrom\[0\].*CIDR/, wrong);
    }
  });

  it("parse a bastion given as an address or with its keys, and refuse one on stack local", () => {
    const on = (bastion: unknown) => check({ cloud: "ec2", bastion }).bastion;
    assert.deepEqual(on("jump@b.example"), { user: "jump", host: "b.example", port: 22 });
    const hostKey = "ssh-ed25519 AAAAC3Nz";
    assert.deepEqual(on({ address: "jump@[2001:db8::1]:2222", hostKey, privateKeySecret: "KEY" }), {
      user: "jump",
      host: "2001:db8::1",
      port: 2222,
      hostKey,
      privateKeySecret: "KEY",
    });
    assert.throws(() => on("b.example"), /ci-images:bastion: .*USER@HOST/);
    assert.throws(
      () => on({ address: "a@b", hostKey: "ssh-rsa AAAA" }),
      /ci-images:bastion\.hostKey: .*other than RSA/,
    );
    assert.throws(() => on({ address: "a@b", privateKeyFile: "k", privateKeySecret: "K" }), /ci-images:bastion/);
    assert.throws(() => check({ bastion: "jump@b" }), /ci-images:bastion: set, on `local`/);
    const both = { cloud: "gce", bastion: "jump@b", gce: { tunnel: "iap" } };
    assert.throws(() => check(both), /ci-images:gce\.tunnel: iap, and ci-images:bastion is set/);
  });

  it("keep the digits of texts as texts, because Pulumi passes both without quotes", () => {
    const read = (config: Record<string, string>) => {
      const given = Object.entries(config).map(([key, value]) => [`ci-images:${key}`, value]);
      return decodeSettings(
        "ci-images:",
        Object.fromEntries([...given, ["aws:region", "x"]]) as Record<string, string>,
      );
    };
    const digits = { imageDirectory: "2026", keep: "2", size: "8", verify: "false", recipe: "true" };
    assert.deepEqual(read(digits), { imageDirectory: "2026", keep: 2, size: "8", verify: false, recipe: "true" });
    assert.deepEqual(read({ recipe: '["a"]', tags: '{"a":"1"}' }), { recipe: ["a"], tags: { a: "1" } });
    assert.equal(check(read(digits)).imageDirectory, "2026");
    assert.throws(
      () => check(read({ maxLifetime: "4" })),
      /maxLifetime: "4"; allowed: at least one minute: a number and a unit/,
    );
  });

  it("refuse a lifetime that is not a duration or is too short for a bake", () => {
    assert.throws(() => check({ maxLifetime: "soon" }), /ci-images:maxLifetime: "soon"/);
    assert.throws(() => check({ maxLifetime: "5 seconds" }), /at least one minute/);
  });
});
