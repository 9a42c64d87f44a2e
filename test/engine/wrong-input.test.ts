// Wrong input is refused with one message that names the file, the key, what was found and what is allowed. Nothing
// starts. Here the program and the plugin refuse something; other places are in wrong-input.long.test.ts. All messages
// about recipes, plans, settings and disks are tested beside them (test/provision/recipe.test.ts, plan.test.ts there,
// test/components/settings.test.ts, test/components/local/preflight.test.ts).
import assert from "node:assert/strict";
import { execa } from "execa";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";
import { runVerb } from "./verbs.ts";

describe("wrong input", function () {
  this.timeout(300_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe());
  });
  after(() => stack.remove());

  it("in a recipe: one error reports all of it, with file and keys, and `status` says that the program refuses", async () => {
    await stack.recipe(tinyRecipe("x", { modules: ["files", "ngnix"], fils: [], size: "plenty", files: "none" }));
    await stack.refusedUp(
      "recipe.yaml",
      "ngnix",
      "nginx",
      "fils",
      /did you mean .*files/,
      "size",
      "plenty",
      "4G",
      "files",
      "a list",
    );
    const { stdout, exitCode } = await runVerb(stack, "status", "--json", "--stack", stack.name);
    assert.equal((JSON.parse(stdout) as { refused: boolean }).refused, true);
    assert.equal(exitCode, 1);
  });

  it("a base with the wrong checksum: the error has both checksums", async () => {
    const tarball = join(stack.directory, "root.tar");
    await mkdir(join(stack.directory, "root"), { recursive: true });
    await writeFile(join(stack.directory, "root", "file"), "content");
    await execa("tar", ["-C", join(stack.directory, "root"), "-cf", tarball, "."]);
    const wrong = "0".repeat(64);
    await stack.recipe(tinyRecipe("x", { base: { tarball, sha256: wrong } }));
    await stack.refusedUp("root.tar", wrong, /sha256/);
  });

  it("a user other than root: the error has the cure", async () => {
    const { stdout } = await execa(
      "setpriv",
      ["--reuid=65534", "--clear-groups", "node", "--import", "tsx", "--eval", preflightProgram],
      { cwd: new URL("../..", import.meta.url), reject: false, all: true },
    );
    assert.match(stdout, /runs as user 65534/);
    assert.match(stdout, /root/);
  });
});

/** Calls only the stack's preflight, because another user can't run the toolchain in root's home. */
const preflightProgram = `
  const { preflight } = await import("./components/local/provider/functions/lookups.ts");
  await preflight.call({ home: "/", size: 1 }, {}).catch((error) => console.log(error.message));
`;
