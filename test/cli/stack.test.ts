// How the verbs open a stack, with the real Pulumi CLI and a backend of their own.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { Output } from "../../cli/output.ts";
import { CommandStack, type StackChoice } from "../../cli/stack.ts";
import { makePlace, type Place } from "../../cli/temporary-stack.ts";

describe("opening a stack", function () {
  this.timeout(60_000);
  let place: Place;
  let file: string;

  beforeEach(async () => {
    place = await makePlace();
    file = join(place.directory, `Pulumi.${place.name}.yaml`);
    await writeFile(join(place.directory, "Pulumi.yaml"), "name: ci-images\nruntime: nodejs\n");
    await execa(place.cli, ["stack", "init", place.name, "--non-interactive"], {
      cwd: place.directory,
      env: place.environment,
      extendEnv: false,
    });
  });
  afterEach(() => rm(place.directory, { recursive: true }));

  const open = (choice: StackChoice) =>
    CommandStack.open(
      place.directory,
      { stack: place.name, ...choice },
      new Output(false, false),
      new AbortController().signal,
      place.environment,
    );

  it("refuses one whose settings file is missing: without it, every stack would be `local`", async () => {
    await rm(file);
    await assert.rejects(open({}), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert.match(
        error.message,
        /Pulumi\.\w+\.yaml: missing, but the stack \w+ exists; cure: .*pulumi config refresh/s,
      );
      return true;
    });
    assert.equal(existsSync(file), false);
  });

  /** Gives the stack these resources. */
  async function have(...resources: { type: string; name: string; outputs?: object }[]) {
    const records = resources.map(({ type, name, outputs = {} }) => {
      return { urn: `urn:pulumi:${place.name}::ci-images::${type}::${name}`, type, custom: false, outputs };
    });
    const state = JSON.stringify({ version: 3, deployment: { manifest: {}, resources: records } });
    await execa(place.cli, ["stack", "import", "--stack", place.name, "--non-interactive"], {
      ...{ cwd: place.directory, env: place.environment, extendEnv: false, input: state },
    });
  }

  const workerImage = "ci-images:index:WorkerImage";
  const bothDistributions = ["debian12", "debian13"].flatMap((name) => [
    { type: workerImage, name },
    { type: "ci-images:local:Image", name: `${name}-1a2b3c4d` },
  ]);

  it("refuses distributions that leave out some that the stack has: the next `up` would delete their images", async () => {
    await have(...bothDistributions);
    await writeFile(file, "config:\n  ci-images:distributions: [debian12, debian13]\n");
    const lost = /--distribution: bookworm, but the stack \w+ also has debian13, .*name all: debian13,bookworm;/;
    await assert.rejects(open({ distribution: ["bookworm"] }), lost);
    // The verbs that don't bake choose among the images instead.
    await open({ distribution: ["debian12"], keepSettings: true });
    assert.equal(await readFile(file, "utf8"), "config:\n  ci-images:distributions: [debian12, debian13]\n");
    const { settings } = await open({ distribution: ["debian12", "debian13", "rocky9"] });
    assert.deepEqual(settings.get("distributions"), ["debian12", "debian13", "rocky9"]);
  });

  it("refuses a region that leaves out images; verbs that don't bake refuse any other region", async () => {
    const images = { aws: { "us-west-2": { debian12: { recipe: "1a2b3c4d", builtAt: "T", id: "ami-1" } } } };
    await have({ type: "pulumi:pulumi:Stack", name: `ci-images-${place.name}`, outputs: { images } });
    await writeFile(file, "config:\n  ci-images:cloud: ec2\n  ci-images:ec2: { region: us-west-2 }\n");
    const lost = /--region: eu-west-1, but the stack \w+ has images in us-west-2, which would be deleted/;
    await assert.rejects(open({ region: "eu-west-1" }), lost);
    await assert.rejects(open({ region: "eu-west-1", keepSettings: true }), /--region: eu-west-1, which is not in/);
    await open({ region: "us-west-2", keepSettings: true });
  });

  it("writes the missing settings file if the cloud is named", async () => {
    await rm(file);
    const stack = await open({ cloud: "ec2" });
    assert.equal(stack.facts.name, "ec2");
    assert.match(await readFile(file, "utf8"), /ci-images:cloud: ec2/);
  });
});
