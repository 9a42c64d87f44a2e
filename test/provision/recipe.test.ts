// Reading recipes: all errors are reported at once, with file, key, what was found and what is allowed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError, type Complaint } from "../../common/user-error.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { TestFolders } from "./folder.ts";

const folders = new TestFolders();

/** A module whose settings can have several forms. */
const greet = `
export const description = "Greets";
export const settingsKey = "greetings";
export const settingsRequired = true;
const person = { type: "object", additionalProperties: false, required: ["name"],
  properties: { name: { type: "string" }, loud: { type: "boolean", default: false } } };
export const settings = { type: "array", items: { anyOf: [{ type: "string" }, person] }, examples: [["anna"]] };
export function modify(name, root, cfg) { root.run("echo " + cfg.greetings.length); }
`;

function write(yaml: string, more: Record<string, string> = {}): string {
  const folder = folders.make({ "worker.yaml": yaml, "modules/greet.mjs": greet, ...more });
  return join(folder, "worker.yaml");
}

/** Loads a recipe, which must fail. @returns the complaints. */
async function complaintsAbout(yaml: string): Promise<readonly Complaint[]> {
  const file = write(yaml);
  try {
    await loadRecipe(file);
  } catch (error) {
    assert(error instanceof UserError, String(error));
    for (const { where } of error.complaints) assert(where.startsWith(file), where);
    return error.complaints;
  }
  throw new assert.AssertionError({ message: "the recipe was accepted" });
}

async function onlyComplaint(yaml: string): Promise<Complaint> {
  const complaints = await complaintsAbout(yaml);
  assert.equal(complaints.length, 1, JSON.stringify(complaints, null, 1));
  return complaints[0];
}

describe("loading a recipe", () => {
  afterEach(() => folders.remove());

  it("fills in defaults", async () => {
    const recipe = await loadRecipe(write("modules: [greet]\ngreetings: [anna, {name: bert}]\n"));
    assert.equal(recipe.name, "worker");
    assert.deepEqual(
      recipe.distributions.map(({ id }) => id),
      ["debian12"],
    );
    assert.deepEqual(recipe.bases, { debian12: { kind: "mirror", distribution: "debian12" } });
    assert.equal(recipe.sizeBytes, 4 * 1024 ** 3);
    assert.deepEqual(recipe.formats, ["qcow2"]);
    assert.equal(recipe.modules[0]?.timeoutSeconds, 3600);
  });

  it("explains a violated limit in plain words", async () => {
    const { found, allowed } = await onlyComplaint("modules: []\n");
    assert.equal(found, "a list: []");
    assert.match(allowed ?? "", /^at least 1 entry: /);
  });

  it("accepts a build.yaml of Imaging Hot Sauce, with install-rpms for install_rpms, --- and ...", async () => {
    const file = write(
      "---\nmodules:\n  - install-rpms\n  - add_user\ndistribution: rocky9\nadd_users:\n   - harlowja\nrpms: [a.rpm]\n...\n",
    );
    const recipe = await loadRecipe(file);
    assert.deepEqual(
      recipe.modules.map(({ name }) => name),
      ["install_rpms", "add_user"],
    );
    assert.deepEqual(recipe.modules[1]?.settings, ["harlowja"]);
  });

  it("knows distributions by their other names, and gives each its base", async () => {
    const recipe = await loadRecipe(write("modules: [git]\ndistributions: [bookworm, al2023]\n"));
    assert.deepEqual(Object.keys(recipe.bases), ["debian12", "amazonlinux2023"]);
  });

  it("prefers overrides to the file", async () => {
    const recipe = await loadRecipe(write("modules: [git]\nsize: 4G\n"), { overrides: { size: "8G" } });
    assert.equal(recipe.sizeBytes, 8 * 1024 ** 3);
  });

  it("names a file that can't be read", async () => {
    await assert.rejects(loadRecipe("/nowhere/worker.yaml"), {
      name: "UserError",
      message: /\/nowhere\/worker\.yaml: .*ENOENT/,
    });
  });

  it("reports bad YAML with line and column", async () => {
    assert.match((await onlyComplaint("modules:\n  - git\n - nginx\n")).found, /line 3, column 2/);
  });

  it("refuses an empty file and a list", async () => {
    await complaintsAbout("");
    assert.match((await onlyComplaint("- git\n")).found, /list/);
  });

  it("suggests the nearest name for an unknown module", async () => {
    const complaint = await onlyComplaint("modules: [git, nginks]\nnginks: {a: 1}\n");
    assert.equal(complaint.key, "modules[1]");
    assert.match(complaint.cure ?? "", /"nginx"/);
  });

  it("suggests the nearest name for an unknown key", async () => {
    const complaint = await onlyComplaint("modules: [git]\nsise: 4G\n");
    assert.equal(complaint.key, "sise");
    assert.match(complaint.cure ?? "", /"size"/);
  });

  it("refuses the settings of a module that is not listed, and says so", async () => {
    assert.match((await onlyComplaint("modules: [git]\ngreetings: [anna]\n")).found, /greet, which is not in modules/);
  });

  it("names the right key if settings are under the module's name instead", async () => {
    const complaints = await complaintsAbout("modules: [greet]\ngreet: [anna]\n");
    assert.match(complaints[0]?.cure ?? "", /greetings/);
  });

  it("names the key of missing required settings and shows an example", async () => {
    const complaint = await onlyComplaint("modules: [greet]\n");
    assert.equal(complaint.key, "greetings");
    assert.match(complaint.allowed ?? "", /\["anna"\]/);
  });

  it("reports wrong nested settings with their path", async () => {
    const complaint = await onlyComplaint("modules: [greet]\ngreetings: [anna, {name: bert, laud: true}]\n");
    assert.equal(complaint.key, "greetings[1].laud");
    assert.match(complaint.cure ?? "", /"loud"/);
  });

  it("reports a wrong type with what was found and what is allowed", async () => {
    const complaint = await onlyComplaint("modules: [greet]\ngreetings: {anna: 1}\n");
    assert.match(complaint.found, /a mapping/);
    assert.match(complaint.allowed ?? "", /a list/);
  });

  it("refuses sizes that have no unit or an unknown unit, or are too small", async () => {
    for (const size of ["4", '"4"', "4X", "1M", "-4G"]) {
      assert.equal((await onlyComplaint(`modules: [git]\nsize: ${size}\n`)).key, "size", size);
    }
  });

  it("advises quotes only where they help", async () => {
    const cureOf = async (yaml: string) => (await onlyComplaint(yaml)).cure;
    assert.equal(await cureOf("modules: [umask]\numask: 022\n"), 'put it in quotes: "022"');
    assert.equal(await cureOf("modules: [umask]\numask: 99\n"), undefined);
    assert.equal(await cureOf("modules: [git]\nsize: 8\n"), "add the unit");
    assert.equal(await cureOf("modules: [git]\ntimeouts: { git: 30 }\n"), "add the unit");
    assert.equal(await cureOf("modules: [git]\ntests: [{ name: x, run: x, timeout: 9 }]\n"), "add the unit");
  });

  it("reports a wrong override where it comes from", async () => {
    const overrides = { size: "9X", formats: ["qcow3"] };
    const overriddenBy = (key: string) => ({ where: "Pulumi.x.yaml", key: `ci-images:${key}` });
    const file = write("modules: [gti]\nsize: 8G\n");
    await assert.rejects(loadRecipe(file, { overrides, overriddenBy }), (error: UserError) => {
      const places = error.complaints.map(({ where, key }) => `${where === file ? "recipe" : where} ${key}`).sort();
      assert.deepEqual(places, [
        "Pulumi.x.yaml ci-images:formats[0]",
        "Pulumi.x.yaml ci-images:size",
        "recipe modules[0]",
      ]);
      return true;
    });
  });

  it("suggests the nearest name for an unknown distribution", async () => {
    assert.match((await onlyComplaint("modules: [git]\ndistribution: debain12\n")).cure ?? "", /"debian12"/);
  });

  it("refuses a key that is written twice, with - and with _, also if a merge key brings one of them in", async () => {
    const yaml = "modules: [install_packages]\ninstall-packages: [git]\ninstall_packages: [curl]\n";
    const { key, found, allowed, cure } = await onlyComplaint(yaml);
    assert.deepEqual([key, allowed, cure], ["install_packages", "once", "use one spelling, in anchors, too"]);
    assert.equal(found, "written twice: install-packages and install_packages");
    const merged =
      "modules: [install_packages]\nx-c: &c { install_packages: [git] }\ninstall-packages: [curl]\n<<: *c\n";
    assert.match((await onlyComplaint(merged)).found, /written twice: install-packages and install_packages/);
    const timeouts = "{ install-packages: 2 minutes, install_packages: 3 minutes }";
    const limits = `modules: [install_packages]\ninstall-packages: [git]\ntimeouts: ${timeouts}\n`;
    assert.equal((await onlyComplaint(limits)).key, "timeouts.install_packages");
    await loadRecipe(
      write("modules: [install_packages]\ninstall-packages: [git]\ninstall_packages:\nx-a: 1\nx_a-b:\n"),
    );
  });

  it("refuses a module that is listed twice", async () => {
    assert.equal((await onlyComplaint("modules: [install_rpms, install-rpms]\nrpms: [a.rpm]\n")).key, "modules[1]");
  });

  it("refuses time limits for unlisted modules, or without a unit", async () => {
    const complaints = await complaintsAbout('modules: [git]\ntimeouts: {gitt: "1h", git: "30"}\n');
    assert.deepEqual(
      complaints.map(({ key }) => key),
      ["timeouts.gitt", "timeouts.git"],
    );
  });

  it("demands exactly one base, a sha256 for a URL, and a readable path", async () => {
    const sum = "0".repeat(64);
    assert.match(
      (await onlyComplaint("modules: [git]\nbase: {directory: ., image: .}\n")).found,
      /directory and image/,
    );
    assert.equal((await onlyComplaint("modules: [git]\nbase: {tarball: 'https://a/b.tar'}\n")).key, "base.sha256");
    assert.match((await onlyComplaint(`modules: [git]\nbase: {tarball: no.tar, sha256: '${sum}'}\n`)).found, /ENOENT/);
    assert.match((await onlyComplaint("modules: [git]\nbase: {tarball: modules}\n")).found, /not a file/);
    const two = await onlyComplaint(
      "modules: [git]\ndistributions: [debian12, debian13]\nbase: {directory: modules}\n",
    );
    assert.match(two.found, /2 distributions/);
  });

  it("reports all errors together", async () => {
    const complaints = await complaintsAbout(
      "modules: [gitt]\nsize: 4X\ndistribution: nix\ntests: [{name: a}]\nformats: [iso]\n",
    );
    const keys = complaints.map(({ key }) => key).sort();
    assert.deepEqual(keys, ["distribution", "formats[0]", "modules[0]", "size", "tests[0].run"]);
  });

  it("refuses modules with the name of a recipe's key or of the bake's own steps, and such keys for settings", async () => {
    const names = ["name", "size", "tests", "kernel_arguments", "settled", "verify", "inventory", "seal"];
    const modules = Object.fromEntries(names.map((name) => [`modules/${name}.sh`, "true\n"]));
    const keyed = 'export const settingsKey = "tests"; export function modify() {}\n';
    const file = write(`modules: [${names.join(", ")}, keyed]\nseal: { x: 1 }\n`, {
      ...modules,
      "modules/keyed.mjs": keyed,
    });
    await assert.rejects(loadRecipe(file), (error: UserError) => {
      assert.deepEqual(
        error.complaints.map(({ key }) => key),
        [...names, "keyed"].map((_, index) => `modules[${index}]`),
      );
      assert.match(error.message, /module "tests": tests is a key of every recipe; cure: .*name: .*modules\/tests\.sh/);
      assert.match(error.message, /module "seal": seal is a step of every bake/);
      assert.match(error.message, /module "keyed": tests is a key of every recipe; cure: .*settingsKey: .*keyed\.mjs/);
      return true;
    });
  });

  it("names a module file that can't be loaded or has no `modify`", async () => {
    const broken = write("modules: [broken]\n", { "modules/broken.mjs": "export const x = ;" });
    await assert.rejects(loadRecipe(broken), {
      name: "UserError",
      message: /broken\.mjs: the module cannot be loaded/,
    });
    const empty = write("modules: [empty]\n", { "modules/empty.mjs": "export const x = 1;" });
    await assert.rejects(loadRecipe(empty), {
      name: "UserError",
      message: /empty\.mjs: exports no function `modify`/,
    });
  });
});
