// The translation of our TypeScript: programs load it, and it is never older than its sources.
import assert from "node:assert/strict";
import {
  appendFile,
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { execa } from "execa";
import { freshTranslation } from "../../common/translation.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** The parts of the project that translate the rest. */
const parts = [
  "common/translation.mjs",
  "common/import-file.mjs",
  "cli/ci-images.mjs",
  "package.json",
  "tsconfig.json",
];

/** The rest: small programs that use a translation as ours do, and take a moment to translate. */
const programs = {
  "index.ts": "export default () => {};\n",
  "provider/main.ts": "export {};\n",
  "toolchain/offline/command-plugin/main.mjs": "",
  "toolchain/offline/language-host/language-host.mjs": "",
  "cli/main.ts": `
    import { readdirSync } from "node:fs";
    import { join } from "node:path";
    import { importFile } from "../common/import-file.mjs";
    const library: string = join(import.meta.dirname, "../provision/modules");
    export async function main([verb]: string[]): Promise<number> {
      if (verb === "help") console.log("usage");
      for (const name of verb === "modules" ? readdirSync(library).filter((name) => /^[^_].*\\.ts$/.test(name)) : []) {
        console.log(name.slice(0, -3), (await importFile(join(library, name))).description);
      }
      return 0;
    }
  `,
  "provision/modules/java.ts": 'export const description = "Java";\nexport function modify() {}\n',
};

describe("the translation of our TypeScript", function () {
  this.timeout(120_000);
  let project: string;
  beforeEach(async () => {
    project = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await chmod(project, 0o755);
    for (const name of parts) await cp(join(projectDirectory, name), join(project, name), { recursive: true });
    await mkdir(join(project, "components"));
    for (const [name, text] of Object.entries(programs)) {
      await mkdir(join(project, dirname(name)), { recursive: true });
      await writeFile(join(project, name), text);
    }
    await symlink(join(projectDirectory, "node_modules"), join(project, "node_modules"));
  });
  afterEach(() => rm(project, { recursive: true }));

  const cache = () => join(project, ".cache/translation");
  const command = (...words: string[]) => [join(project, "cli/ci-images.mjs"), ...words];
  const modules = async () => (await execa(process.execPath, command("modules"))).stdout;
  const record = async () =>
    join(
      cache(),
      (await readdir(cache())).find((name) => name.endsWith(".json"))!,
    );
  const folder = async () => (JSON.parse(await readFile(await record(), "utf8")) as { folder: string }).folder;
  const fresh = () => freshTranslation(project + sep, "cli/main.ts");
  const library = (name: string) => join(project, "provision/modules", name);

  it("is used until a source changes, a module is added or the package file changes, and then made again", async () => {
    assert.doesNotMatch(await modules(), /changed just now|own_tool/);
    const first = await folder();
    await modules();
    assert.equal(await folder(), first);

    const text = await readFile(library("java.ts"), "utf8");
    const changed = text.replace('export const description = "', 'export const description = "changed just now: ');
    await writeFile(library("java.ts"), changed);
    assert.match(await modules(), /^java +changed just now: /m);

    const own = 'export const description = "an own tool";\nexport function modify() {}\n';
    await writeFile(library("own_tool.ts"), own);
    assert.match(await modules(), /^own_tool +an own tool/m);
    const second = await folder();
    await appendFile(join(project, "package.json"), "\n");
    await modules();
    assert.notEqual(await folder(), second);
  });

  it("is made again when a source changes in a project that lies in a folder node_modules", async () => {
    const moved = join(project, "elsewhere/node_modules/project");
    for (const name of [...parts, ...Object.keys(programs)])
      await cp(join(project, name), join(moved, name), { recursive: true });
    await mkdir(join(moved, "components"));
    await symlink(join(projectDirectory, "node_modules"), join(moved, "node_modules"));
    const descriptions = async () =>
      (await execa(process.execPath, [join(moved, "cli/ci-images.mjs"), "modules"])).stdout;
    assert.match(await descriptions(), /^java Java$/m);
    await writeFile(
      join(moved, "provision/modules/java.ts"),
      'export const description = "changed";\nexport function modify() {}\n',
    );
    assert.match(await descriptions(), /^java changed$/m);
  });

  it("is made again when a file of another kind changes that a module imports", async () => {
    const own = `import { a } from "./_a.js"; import { b } from "./_b.mts"; import c from "./_c.json" with { type: "json" };
      export const description = [a, b, c.c].join(); export function modify() {}`;
    await writeFile(library("own_tool.ts"), own);
    await writeFile(library("_a.js"), 'export const a = "a1";');
    await writeFile(library("_b.mts"), 'export const b: string = "b1";');
    await writeFile(library("_c.json"), '{ "c": "c1" }');
    assert.match(await modules(), /^own_tool +a1,b1,c1/m);
    await writeFile(library("_a.js"), 'export const a = "a2";');
    assert.match(await modules(), /^own_tool +a2,b1,c1/m);
    await writeFile(library("_b.mts"), 'export const b: string = "b2";');
    assert.match(await modules(), /^own_tool +a2,b2,c1/m);
    await writeFile(library("_c.json"), '{ "c": "c2" }');
    assert.match(await modules(), /^own_tool +a2,b2,c2/m);
  });

  it("contains the packages that programs import, finds those that they import later, and is made again when npm changes one", async () => {
    await rm(join(project, "node_modules"));
    const inPackages = (name: string) => join(project, "node_modules", name);
    await mkdir(inPackages("old"), { recursive: true });
    for (const name of ["esbuild", "@esbuild", "tsx"])
      await symlink(join(projectDirectory, "node_modules", name), inPackages(name));
    await mkdir(inPackages("later"));
    const old = 'exports.all = [1, __dirname, require("node:path").basename(__filename), require("./data.json").data];';
    await writeFile(inPackages("old/index.js"), old);
    await writeFile(inPackages("old/package.json"), "{}");
    await writeFile(inPackages("old/data.json"), '{ "data": "data" }');
    await writeFile(inPackages("later/package.json"), '{ "type": "module", "exports": "./main.js" }');
    await writeFile(inPackages("later/main.js"), "export default import.meta.filename;");
    await writeFile(
      join(project, "cli/main.ts"),
      `import { all } from "old";
      export async function main(): Promise<number> {
        console.log([...all, (await import("later")).default].join());
        return 0;
      }`,
    );
    const expected = `1,${inPackages("old")},index.js,data,${inPackages("later/main.js")}`;
    assert.equal(await modules(), expected);
    // Hand-made changes of packages go unnoticed; npm's don't.
    await writeFile(inPackages("old/index.js"), old.replace("1", "2"));
    assert.equal(await modules(), expected);
    await writeFile(inPackages(".package-lock.json"), "{}");
    assert.equal(await modules(), expected.replace("1", "2"));
  });

  it("leaves text that mentions import.meta alone, and tells each file where its source is", async () => {
    const file = library("own_tool.ts");
    const places = '["import.meta.url", import.meta.url, import.meta.dirname, import.meta.filename]';
    await writeFile(file, `export const description = ${places}.join(); export function modify() {}`);
    assert.ok((await modules()).includes(`import.meta.url,file://${file},${dirname(file)},${file}`));
  });

  it("stays for a day after it is outdated, for bakes that still run", async () => {
    const edit = async () => {
      await appendFile(join(project, "index.ts"), "// edited\n");
      await fresh();
      return folder();
    };
    const left = async () => (await readdir(cache())).filter((name) => !name.endsWith(".json")).sort();
    await fresh();
    const first = await folder();
    await utimes(join(cache(), first), 0, 0);
    const second = await edit();
    assert.deepEqual(await left(), [first, second].sort());
    await utimes(join(cache(), first), 0, 0);
    const third = await edit();
    assert.deepEqual(await left(), [second, third].sort());
  });

  it("is made by several processes at once without conflicts", async () => {
    const outputs = await Promise.all([modules(), modules(), modules()]);
    assert.equal(new Set(outputs).size, 1);
    assert.equal(await modules(), outputs[0]);
  });

  it("is made again if one of its files is missing or damaged", async () => {
    await fresh();
    const main = async () => join(cache(), await folder(), "cli/main.js");
    const expected = await readFile(await main(), "utf8");
    await truncate(await main(), 10);
    await modules();
    assert.equal(await readFile(await main(), "utf8"), expected);
    await rm(await main());
    await modules();
    assert.equal(await readFile(await main(), "utf8"), expected);
  });

  it("is made again after an upgrade, whatever the record of the earlier version looks like", async () => {
    await fresh();
    const first = await folder();
    const found = JSON.parse(await readFile(await record(), "utf8")) as { entries: string[] };
    // The format that it once had.
    await writeFile(await record(), JSON.stringify({ ...found, entries: Object.fromEntries(found.entries.entries()) }));
    await appendFile(join(project, "common/translation.mjs"), "// of the next version\n");
    await modules();
    const second = await folder();
    assert.notEqual(second, first);
    await writeFile(await record(), JSON.stringify({ version: 9 }));
    await modules();
    assert.notEqual(await folder(), second);
  });

  it("is skipped if .cache is a link or can't be written, and leaves nothing there", async () => {
    const expected = await modules();
    await rm(join(project, ".cache"), { recursive: true });
    await mkdir(join(project, "elsewhere"));
    await symlink("elsewhere", join(project, ".cache"));
    assert.equal(await modules(), expected);
    assert.deepEqual(await readdir(join(project, "elsewhere")), []);
    await rm(join(project, ".cache"));
    await writeFile(join(project, ".cache"), "");
    assert.equal(await modules(), expected);
  });

  it("is of use to its owner after another user has made one", async function () {
    // Only root can change a file's owner.
    if (process.getuid?.() !== 0) this.skip();
    await fresh();
    const owner = 65_534;
    for (const path of [project, join(project, ".cache"), cache(), await record(), join(project, "index.ts")]) {
      await chown(path, owner, owner);
    }
    const first = await folder();
    await appendFile(join(project, "index.ts"), "// edited\n");
    const help = () => execa(process.execPath, command("help"), { uid: owner, gid: owner });
    await help();
    const second = await folder();
    assert.notEqual(second, first);
    await help();
    assert.equal(await folder(), second);
  });

  it("leaves an error in a file to the import, which names the file", async () => {
    await writeFile(library("broken.ts"), "export const = 1;\n");
    const { exitCode, stderr } = await execa(process.execPath, command("modules"), { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stderr, /provision\/modules\/broken\.ts/);
    // A verb that doesn't need the module works.
    assert.match((await execa(process.execPath, command("help"))).stdout, /usage/);
  });
});
