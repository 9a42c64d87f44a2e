// The translation of our TypeScript: programs load it, and it is never older than its sources.
import assert from "node:assert/strict";
import {
  appendFile,
  chmod,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { execa } from "execa";
import { freshTranslation } from "../../common/translation.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";

describe("the translation of our TypeScript", function () {
  this.timeout(120_000);
  let project: string;
  beforeEach(async () => {
    project = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await chmod(project, 0o755);
    const parts = ["cli", "common", "components", "provider", "provision", "toolchain"];
    for (const name of [...parts, "index.ts", "package.json", "tsconfig.json"]) {
      await cp(join(projectDirectory, name), join(project, name), { recursive: true });
    }
    await symlink(join(projectDirectory, "node_modules"), join(project, "node_modules"));
  });
  afterEach(() => rm(project, { recursive: true }));

  const cache = () => join(project, ".cache/translation");
  const command = (...words: string[]) => [join(project, "cli/ci-images.mjs"), ...words];
  const modules = async () => (await execa(process.execPath, command("modules"))).stdout;
  const folder = async () =>
    (JSON.parse(await readFile(join(cache(), "current.json"), "utf8")) as { folder: string }).folder;

  it("is used until a source changes, a module is added or the package file changes, and then made again", async () => {
    assert.doesNotMatch(await modules(), /changed just now|own_tool/);
    const first = await folder();
    const { mtimeMs } = await stat(join(cache(), "current.json"));
    await modules();
    assert.equal((await stat(join(cache(), "current.json"))).mtimeMs, mtimeMs, "nothing was written");

    const java = join(project, "provision/modules/java.ts");
    const text = await readFile(java, "utf8");
    await writeFile(
      java,
      text.replace('export const description = "', 'export const description = "changed just now: '),
    );
    assert.match(await modules(), /^java +changed just now: /m);
    const second = await folder();
    assert.notEqual(second, first);

    const own = 'export const description = "an own tool";\nexport function modify() {}\n';
    await writeFile(join(project, "provision/modules/own_tool.ts"), own);
    assert.match(await modules(), /^own_tool +an own tool/m);
    const third = await folder();
    await appendFile(join(project, "package.json"), "\n");
    const before = await readFile(join(cache(), "current.json"));
    await modules();
    assert.equal(await folder(), third, "the same code has the same name");
    assert.notDeepEqual(await readFile(join(cache(), "current.json")), before);
  });

  it("stays for a week after it is outdated, for bakes that still run", async () => {
    const edit = () =>
      appendFile(join(project, "index.ts"), `export const edit${Math.random()} = 1;\n`.replace("0.", ""));
    await freshTranslation(project + sep);
    const first = await folder();
    await utimes(join(cache(), first), 0, 0);
    await edit();
    await freshTranslation(project + sep);
    const second = await folder();
    const left = async () => (await readdir(cache())).filter((name) => name !== "current.json").sort();
    assert.deepEqual(await left(), [first, second].sort());
    await utimes(join(cache(), first), 0, 0);
    await edit();
    await freshTranslation(project + sep);
    assert.deepEqual(await left(), [second, await folder()].sort());
  });

  it("is made by several processes at once without one in the way of another", async () => {
    const outputs = await Promise.all([modules(), modules(), modules()]);
    assert.equal(new Set(outputs).size, 1);
    assert.deepEqual((await readdir(cache())).sort(), [await folder(), "current.json"].sort());
  });

  it("that has nowhere to be kept leaves everything as it works without one", async () => {
    const expected = await modules();
    await rm(cache(), { recursive: true });
    const other = 65_534;
    const { stdout } = await execa(process.execPath, command("modules"), { uid: other, gid: other });
    assert.equal(stdout, expected);
    assert.deepEqual(await readdir(join(project, ".cache")), []);
  });

  it("leaves an error in a file to the import, which names the file", async () => {
    await writeFile(join(project, "provision/modules/broken.ts"), "export const = 1;\n");
    const { exitCode, stderr } = await execa(process.execPath, command("modules"), { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stderr, /provision\/modules\/broken\.ts/);
    // A verb that doesn't need the module works.
    assert.match((await execa(process.execPath, command("help"))).stdout, /usage/);
  });
});
