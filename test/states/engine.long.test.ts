// A state written by an earlier version, on the real engine: the current program must find nothing to change.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CloudStack } from "../engine/cloud-stack.ts";
import { folder, stack as stackName } from "./recording.ts";
import { exchange, placeholders, settingsOn, subjects } from "./subjects.ts";

for (const [cloud, open] of Object.entries(subjects)) {
  if (!existsSync(join(folder, cloud, "state.json"))) continue;
  describe(`a stack on ${cloud} with a state written by an earlier version`, function () {
    this.timeout(900_000);

    it("needs no changes, not even at stage none, and can be destroyed completely", async () => {
      const read = async (name: string) => JSON.parse(await readFile(join(folder, cloud, name), "utf8")) as object;
      const subject = await open(await read("cloud.json"));
      const stack = await CloudStack.on(subject, {}, settingsOn(subject), stackName);
      try {
        const filled = placeholders({ ...subject.changing, place: stack.directory });
        const back = filled.map(([value, word]) => [word, value] as const);
        const state = join(stack.directory, "state.json");
        await writeFile(state, JSON.stringify(exchange(await read("state.json"), back)));
        await stack.succeed("stack", "import", "--file", state);
        await stack.expectNoChanges();
        await stack.settings({ ...settingsOn(subject), stage: "none" });
        await stack.expectNoChanges();
        await stack.settings(settingsOn(subject));
        const image = await stack.image();
        assert.ok(image, "the outputs name the image");
        await stack.succeed("destroy", "--yes", "--skip-preview");
        assert.ok(!(await subject.images()).includes(image.id), "the image is gone");
      } finally {
        await stack.remove();
        await subject.close();
      }
    });
  });
}
