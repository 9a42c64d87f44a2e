// Wrong input is refused with one message that names the file, the key, what was found and what is allowed. Nothing
// starts.
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
  afterEach(async () => {
    await stack.settings({});
    await stack.recipe(tinyRecipe());
  });
  after(async () => {
    const records = await stack.bakeRecords();
    await stack.remove();
    assert.deepEqual(records, [], "no resource was ever created");
  });

  /** Runs `up` and expects it to fail with all of `parts` in its output, and to create nothing. */
  async function refused(...parts: (string | RegExp)[]): Promise<void> {
    const { output } = await stack.failingUp();
    for (const part of parts) {
      assert.ok(typeof part === "string" ? output.includes(part) : part.test(output), `${String(part)} in:\n${output}`);
    }
    assert.doesNotMatch(output, /unhandled exception/);
    assert.doesNotMatch(output, / {4}at .*\.[jt]s:\d+/, "no stack trace");
    assert.deepEqual(await stack.machines(), []);
  }

  it("an unknown module: the error suggests the nearest name, and `status` says that the program refuses", async () => {
    await stack.recipe(tinyRecipe("x", { modules: ["files", "ngnix"] }));
    await refused("recipe.yaml", "ngnix", "nginx");
    const { stdout, exitCode } = await runVerb(stack, "status", "--json", "--stack", stack.name);
    assert.equal((JSON.parse(stdout) as { refused: boolean }).refused, true);
    assert.equal(exitCode, 1);
  });

  it("an unknown key, a wrong type and a bad size: one error reports them all, each with its key", async () => {
    await stack.recipe(tinyRecipe("x", { fils: [], size: "plenty", files: "none" }));
    await refused("recipe.yaml", "fils", /did you mean .*files/, "size", "plenty", "4G", "files", "a list");
  });

  it("a missing secret: the error has its name and the command that sets it", async () => {
    await stack.recipe(
      tinyRecipe("x", { files: [{ path: "/etc/token", content: { secret: "TOKEN" }, keep_secret: true }] }),
    );
    await refused("TOKEN", "pulumi config set --secret");
  });

  it("an unreadable file: the error has its path", async () => {
    await stack.recipe(tinyRecipe("x", { files: [{ path: "/etc/x", source: "no-such-file" }] }));
    await refused("no-such-file");
  });

  it("bad YAML: the error has the line and the column", async () => {
    await stack.recipe("name: tiny\nmodules: [files\nsize: 2G\n");
    await refused("recipe.yaml", /line \d+|:\d+:\d+/);
  });

  it("a missing recipe: the error has its path", async () => {
    await stack.settings({ recipe: join(stack.directory, "missing.yaml") });
    await refused("missing.yaml");
  });

  it("an unknown distribution: the error suggests the nearest name", async () => {
    await stack.recipe(tinyRecipe("x", { distribution: "debain12" }));
    await refused("debain12", "debian12");
  });

  it("a base with the wrong checksum: the error has both checksums", async () => {
    const tarball = join(stack.directory, "root.tar");
    await mkdir(join(stack.directory, "root"), { recursive: true });
    await writeFile(join(stack.directory, "root", "file"), "content");
    await execa("tar", ["-C", join(stack.directory, "root"), "-cf", tarball, "."]);
    const wrong = "0".repeat(64);
    await stack.recipe(tinyRecipe("x", { base: { tarball, sha256: wrong } }));
    await refused("root.tar", wrong, /sha256/);
  });

  it("an unknown stack setting: the error suggests the nearest name", async () => {
    await stack.settings({ recipie: "x" });
    await refused("ci-images:recipie", /did you mean "recipe"/);
  });

  it("an image directory without free space: the error says how much is needed", async () => {
    const small = join(stack.directory, "small");
    await mkdir(small);
    await execa("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", small]);
    try {
      await stack.settings({ imageDirectory: small });
      await refused(small, /0\.0 GiB of free disk/, /at least \d/);
    } finally {
      await execa("umount", [small]);
    }
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
