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

  it("writes the missing settings file if the cloud is named", async () => {
    await rm(file);
    const stack = await open({ cloud: "ec2" });
    assert.equal(stack.facts.name, "ec2");
    assert.match(await readFile(file, "utf8"), /ci-images:cloud: ec2/);
  });
});
