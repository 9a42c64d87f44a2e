import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { projectDirectory } from "../../toolchain/versions.mjs";

const files = {
  "module.ts": "enum Size { small } export const made: string = 'made' + Size.small;",
  "module.mts": "export const made: string = 'made0';",
  "module.js": "export const made = 'made0';",
  "module.mjs": "export const made = 'made0';",
  "common.cjs": "exports.made = 'made0';",
  "common.js": "exports.made = 'made0';",
};

describe("a user's file outside this project", function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-import-"));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  });
  after(() => rm(folder, { recursive: true }));

  it("can be imported in every module format, in a process started the way Pulumi starts our program", async () => {
    const importing = pathToFileURL(join(projectDirectory, "common/import-file.mjs")).href;
    const program = `
      import { importFile, importProgram } from ${JSON.stringify(importing)};
      await importProgram(${JSON.stringify(join(projectDirectory, "index.ts"))});
      for (const name of ${JSON.stringify(Object.keys(files))}) {
        console.log(name, (await importFile(${JSON.stringify(folder)} + "/" + name)).made);
      }`;
    await writeFile(join(folder, "main.mjs"), program);
    const { stdout } = await execa("node", [join(folder, "main.mjs")], { cwd: projectDirectory });
    assert.deepEqual(
      stdout.split("\n"),
      Object.keys(files).map((name) => `${name} made0`),
    );
  });
});
