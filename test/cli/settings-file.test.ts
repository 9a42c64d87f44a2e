// Pulumi.<stack>.yaml: verbs change single settings and keep everything else.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeSettings, SettingsFile } from "../../cli/settings-file.ts";

describe("a stack's settings file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-settings-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const text =
    "encryptionsalt: v1:abc\n# mine\nconfig:\n  ci-images:cloud: ec2 # the big one\n  ci-images:stage: builder\n";

  it("keeps comments, other keys and the salt when settings are changed, added and removed", async () => {
    const path = join(folder, "Pulumi.x.yaml");
    await writeFile(path, text);
    const file = new SettingsFile(folder, "organization/ci-images/x");
    assert.equal(file.set({ stage: undefined, "ec2.region": "us-west-2", distributions: ["debian12"] }), true);
    const changed = await readFile(path, "utf8");
    assert.match(changed, /^encryptionsalt: v1:abc\n# mine\nconfig:\n {2}ci-images:cloud: ec2 # the big one\n/);
    assert.doesNotMatch(changed, /stage/);
    assert.equal(file.get("distributions") === undefined, false);
    assert.match(changed, /ci-images:ec2:\n {4}region: us-west-2/);
    assert.deepEqual(file.get("ec2"), { region: "us-west-2" }, "`get` returns a nested mapping, which sweep needs");
  });

  it("can have keys without a value, all of whose own are commented out", async () => {
    const path = join(folder, "Pulumi.x.yaml");
    await writeFile(path, "config:\n  # ci-images:stage: none\n");
    new SettingsFile(folder, "x").set({ stage: "builder" });
    assert.match(
      await readFile(path, "utf8"),
      /^config:\n {2}# ci-images:stage: none\n {2}ci-images:stage: builder\n$/,
    );
    await writeFile(path, "config:\n  ci-images:ec2: # mine\n    # region: us-west-1\n  ci-images:keep: 1\n");
    new SettingsFile(folder, "x").set({ "ec2.region": "us-west-2" });
    const changed = await readFile(path, "utf8");
    assert.match(
      changed,
      /^config:\n {2}ci-images:ec2:\s+# mine\n\s+# region: us-west-1\n\s+region: us-west-2\n {2}ci-images:keep: 1\n$/,
    );
    assert.deepEqual(new SettingsFile(folder, "x").get("ec2"), { region: "us-west-2" });
  });

  it("is refused if something other than a mapping is where keys belong", async () => {
    await writeFile(join(folder, "Pulumi.x.yaml"), "config:\n  ci-images:ec2: us-west-2\n");
    const set = () => new SettingsFile(folder, "x").set({ "ec2.region": "us-west-2" });
    assert.throws(set, /Pulumi\.x\.yaml: config\.ci-images:ec2: something other than a mapping; allowed: a mapping/);
  });

  it("is not written if nothing changes", async () => {
    await writeFile(join(folder, "Pulumi.x.yaml"), text);
    assert.equal(new SettingsFile(folder, "x").set({ stage: "builder", power: undefined }), false);
  });

  it("is created for a new stack, and left alone if it exists", async () => {
    const file = new SettingsFile(folder, "gce");
    file.prepare("gce");
    assert.equal(file.text("cloud", "?"), "gce");
    file.set({ cloud: "local" });
    file.prepare("gce");
    assert.equal(file.text("cloud", "?"), "local");
  });

  it("is refused if it is not YAML", async () => {
    await writeFile(join(folder, "Pulumi.x.yaml"), "config: [\n");
    assert.throws(() => new SettingsFile(folder, "x").get("stage"), /Pulumi\.x\.yaml: is not YAML/);
  });

  it("has the region in its cloud's section; stack local has no region", () => {
    assert.deepEqual(placeSettings("ec2", { region: "us-west-2", distribution: ["rocky9"] }), {
      distributions: ["rocky9"],
      "ec2.region": "us-west-2",
    });
    assert.deepEqual(placeSettings("rackspace", { region: "ORD,IAD" }), { "rackspace.regions": ["ORD", "IAD"] });
    assert.throws(() => placeSettings("local", { region: "here" }), /--region: here/);
    assert.throws(
      () => placeSettings("ec2", { distribution: ["debain12"] }),
      /--distribution: .*did you mean "debian12"/,
    );
  });
});
