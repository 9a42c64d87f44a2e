// `npx ci-images`: setup puts the project's own command where npx finds it.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linkOwnCommand } from "../../tools/setup/npm-packages.mjs";

describe("the project's own command", () => {
  it("is linked beside the packages' commands, again when the link is something else, and only then", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-link-"));
    try {
      await mkdir(join(folder, "node_modules/.bin"), { recursive: true });
      await mkdir(join(folder, "cli"));
      await writeFile(join(folder, "cli/ci-images.mjs"), "");
      const link = join(folder, "node_modules/.bin/ci-images");
      await writeFile(link, "something else");
      for (let time = 0; time < 2; time++) {
        linkOwnCommand(folder);
        assert.equal(await realpath(link), await realpath(join(folder, "cli/ci-images.mjs")));
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
