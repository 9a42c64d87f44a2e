// Stack settings: defaults, and what is said of wrong ones.
import assert from "node:assert/strict";
import { checkSettings } from "../../components/settings.ts";

describe("stack settings", () => {
  const check = (found: Record<string, unknown>) => checkSettings("Pulumi.test.yaml", "ci-images:", found);

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

  it("take `verify` as yes or no, or in detail", () => {
    assert.equal(check({ verify: false }).verify.enabled, false);
    assert.deepEqual(check({ verify: { firmware: "bios" } }).verify, { enabled: true, firmware: "bios" });
  });

  it("tell every wrong key together, with what is allowed", () => {
    assert.throws(
      () => check({ keep: -1, cloud: "azure", imageDirectry: "x" }),
      (error: Error) =>
        /ci-images:keep: -1/.test(error.message) &&
        /ci-images:cloud: "azure"; allowed: one of local/.test(error.message) &&
        /ci-images:imageDirectry.*did you mean ci-images:imageDirectory/.test(error.message),
    );
  });

  it("never show the value of a secret", () => {
    assert.throws(
      () => check({ secrets: { TOKEN: ["s3cr3t"] } }),
      (error: Error) => !error.message.includes("s3cr3t") && error.message.includes("TOKEN"),
    );
  });

  it("refuse a lifetime that is no time, or too short to bake in", () => {
    assert.throws(() => check({ maxLifetime: "soon" }), /ci-images:maxLifetime: "soon"/);
    assert.throws(() => check({ maxLifetime: "5 seconds" }), /at least one minute/);
  });
});
