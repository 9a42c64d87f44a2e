// Faults in users' files that a schema can't see: encodings, line ends, numbers that lose a digit, YAML aliases, broken
// module files.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { findDistribution } from "../../provision/distributions.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { TestFolders } from "./folder.ts";

const folders = new TestFolders();

async function planOf(files: Record<string, string | Buffer>): Promise<Plan> {
  const names = Object.keys(files).map((name) => [name, ""] as const);
  const folder = folders.make(Object.fromEntries(names));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const recipe = await loadRecipe(join(folder, "worker.yaml"));
  return planRecipe(recipe, findDistribution("debian12"), { sealVersion: "1" });
}

/** Plans these files, which must fail. @returns the error message. */
async function refusal(files: Record<string, string | Buffer>): Promise<string> {
  try {
    await planOf(files);
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: "the recipe was accepted" });
}

const scriptsOf = ({ modules }: Plan) =>
  modules.flatMap(({ steps }) => steps.map((step) => (step.kind === "script" ? step.script : "")));

describe("input", () => {
  afterEach(() => folders.remove());

  it("with Windows line ends in recipes and shell modules gives the same recipe hash", async () => {
    const files = {
      "worker.yaml": "modules: [mine, run]\nmine: { a: 1 }\nrun: |\n  echo one\n  echo two\n",
      "modules/mine.sh": "#!/bin/bash\n# Mine.\n# secrets:\nif true; then\n  echo mine\nfi\n",
    };
    const windows = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, text.replaceAll("\n", "\r\n")]),
    );
    const [unix, converted] = [await planOf(files), await planOf(windows)];
    assert.equal(converted.recipeHash("base"), unix.recipeHash("base"));
    assert.ok(scriptsOf(converted).every((script) => !script.includes("\r")));
  });

  it("with Windows line ends in a script to be run is refused, with file, line and cure", async () => {
    const yaml = "modules: [run]\nrun: [{ source: script.sh }]\n";
    const message = await refusal({ "worker.yaml": yaml, "script.sh": "#!/bin/sh\necho fine\necho bad\r\n" });
    assert.match(
      message,
      /module run: "script\.sh" has Windows line ends \(CRLF\) from line 3 on; allowed: .*; cure: sed -i/,
    );
    const shebang = await refusal({ "worker.yaml": yaml, "script.sh": "#!/usr/bin/python3\r\nprint()\r\n" });
    assert.match(shebang, /from line 1 on/);
    await planOf({ "worker.yaml": yaml, "script.sh": "#!/usr/bin/python3\nprint()\r\n" });
    await planOf({ "worker.yaml": yaml, "script.sh": Buffer.from("#!/bin/sh\necho\nexit\n\0\r\n") });
  });

  it("that is not UTF-8 is refused with the byte's position", async () => {
    const latin = Buffer.from("modules: [run]\n# caf\u00e9\nrun: 'true'\n", "latin1");
    assert.match(
      await refusal({ "worker.yaml": latin }),
      /worker\.yaml: not UTF-8: byte 0xe9 at offset 20, line 2; allowed: a YAML file in UTF-8/,
    );
    const yaml = "modules: [mine]\n";
    const script = Buffer.concat([Buffer.from("# \uFFFD is fine\necho "), Buffer.from([0xff, 0xfe])]);
    assert.match(
      await refusal({ "worker.yaml": yaml, "modules/mine.sh": script }),
      /mine\.sh: not UTF-8: byte 0xff at offset 19, line 2/,
    );
    const module = Buffer.from("export const description = 'caf\u00e9';\nexport function modify() {}\n", "latin1");
    assert.match(
      await refusal({ "worker.yaml": yaml, "modules/mine.mjs": module }),
      /mine\.mjs: not UTF-8: byte 0xe9 at offset 31, line 1/,
    );
    await planOf({
      "worker.yaml": Buffer.from("\uFEFFmodules: [mine]\n"),
      "modules/mine.sh": "\uFEFF#!/bin/bash\necho\n",
    });
  });

  it("with a number instead of a text is refused, and the number is shown as written in the file", async () => {
    const go = await refusal({ "worker.yaml": "modules: [go]\ngo: { version: 1.20, sha256: { amd64: a } }\n" });
    assert.match(go, /go\.version: 1\.20; .*cure: put it in quotes: "1\.20"/);
    const umask = await refusal({ "worker.yaml": "modules: [umask]\numask: 022\n" });
    assert.match(umask, /umask: 022; .*cure: put it in quotes: "022"/);
    const dashed = await refusal({ "worker.yaml": "modules: [docker-images]\ndocker-images:\n  - 1.10\n" });
    assert.match(dashed, /docker_images\[0\]: 1\.10; .*"1\.10"/);
  });

  it("with a number that a shell module would get in another spelling is refused, wherever it comes from", async () => {
    const shell = { "modules/mine.sh": "# Prints.\necho $CFG_VERSION\n" };
    const settings = "{ version: 3.10, modes: [0644], deep: { exp: 1e3, big: 12345678901234567890 }, no: .nan }";
    const message = await refusal({ "worker.yaml": `modules: [mine]\nmine: ${settings}\n`, ...shell });
    assert.match(
      message,
      /worker\.yaml: mine\.version: 3\.10, which would arrive as 3\.1; .*put it in quotes: "3\.10"/,
    );
    assert.match(message, /mine\.modes\[0\]: 0644, which would arrive as 644;/);
    assert.match(message, /mine\.deep\.exp: 1e3, which would arrive as 1000;/);
    assert.match(message, /mine\.deep\.big: 12345678901234567890, which would arrive as 12345678901234567000;/);
    assert.match(message, /mine\.no: \.nan, which would arrive as null;/);
    const anchors = "x-all: { v: &v 1.10, more: &more { b: 2.20 } }\nmine: { a: *v, <<: *more }\n";
    const merged = await refusal({ "worker.yaml": `modules: [mine]\n${anchors}`, ...shell });
    assert.match(merged, /mine\.a: 1\.10, which.* mine\.b: 2\.20, which/s);
    const plain = await refusal({
      "worker.yaml": "modules: [my-own]\nmy-own: 1.0\n",
      "modules/my-own.sh": "echo $CFG\n",
    });
    assert.match(plain, /my_own: 1\.0, which would arrive as 1;/);
    await planOf({ "worker.yaml": 'modules: [mine]\nmine: { version: "3.10", n: [3, -1.5, true] }\n', ...shell });
  });

  it("with aliases that expand to millions of values is refused at once", async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const inside = level === 0 ? "lol" : `*a${level - 1}`;
      return `  - &a${level} [${Array(9).fill(inside).join(", ")}]\n`;
    });
    const began = performance.now();
    const message = await refusal({ "worker.yaml": `modules: [run]\nrun: 'true'\nx-bomb:\n${levels.join("")}` });
    assert.match(message, /worker\.yaml: its aliases expand to \d+ values; allowed: at most 100000 values/);
    assert.ok(performance.now() - began < 5000);
    assert.match(
      await refusal({ "worker.yaml": "modules: [run]\nrun: &me ['true', *me]\n" }),
      /worker\.yaml: (an alias inside its own anchor|not YAML)/,
    );
  });

  it("can have top-level keys x-... for anchors, which are not part of the recipe", async () => {
    const plain = "modules: [files]\nfiles: [{ path: /a, content: x, mode: '0600' }]\n";
    const anchored =
      "x-private: &private { mode: '0600' }\nmodules: [files]\nfiles: [{ path: /a, content: x, <<: *private }]\n";
    const [one, other] = [await planOf({ "worker.yaml": plain }), await planOf({ "worker.yaml": anchored })];
    assert.equal(one.recipeHash("base"), other.recipeHash("base"));
  });

  it("may have broken files in modules/ that the recipe does not use; used ones are reported with all other errors", async () => {
    const broken = { "modules/aaa.mjs": "export function modify( {" };
    const message = await refusal({ ...broken, "worker.yaml": "modules: [run]\nrun: 'true'\nsise: 4G\n" });
    assert.match(message, /unknown key "sise".*did you mean "size"/);
    assert.doesNotMatch(message, /aaa\.mjs/);
    const used = await refusal({ ...broken, "worker.yaml": "modules: [aaa]\nsise: 4G\naaa: 1\n" });
    assert.match(used, /aaa\.mjs: the module cannot be loaded/);
    assert.match(used, /unknown key "sise"/);
    assert.doesNotMatch(used, /unknown key "aaa"/);
  });

  it("with keys x-... is valid for editors", () => {
    const schema = JSON.parse(readFileSync("provision/recipe.schema.json", "utf8")) as { patternProperties: object };
    assert.deepEqual(Object.keys(schema.patternProperties), ["^x-"]);
  });
});
