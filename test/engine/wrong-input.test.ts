// Wrong input is refused by one message that names file, key, what was found and what is allowed, and starts nothing.
import assert from "node:assert/strict";
import { execa } from "execa";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

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
    assert.deepEqual(records, [], "no resource was made all along");
  });

  /** Runs `up` and expects it to be refused with all of `parts` in its output, and nothing made. */
  async function refused(...parts: (string | RegExp)[]): Promise<void> {
    const { output } = await stack.failingUp();
    for (const part of parts) {
      assert.ok(typeof part === "string" ? output.includes(part) : part.test(output), `${String(part)} in:\n${output}`);
    }
    assert.doesNotMatch(output, /unhandled exception/);
    assert.doesNotMatch(output, / {4}at .*\.[jt]s:\d+/, "no stack trace");
    assert.deepEqual(await stack.machines(), []);
  }

  it("an unknown module is told with the nearest name", async () => {
    await stack.recipe(tinyRecipe("x", { modules: ["files", "ngnix"] }));
    await refused("recipe.yaml", "ngnix", "nginx");
  });

  it("an unknown key is told with the nearest name, and with it a wrong type and a bad size, each with its key", async () => {
    await stack.recipe(tinyRecipe("x", { fils: [], size: "plenty", files: "none" }));
    await refused("recipe.yaml", "fils", /did you mean .*files/, "size", "plenty", "4G", "files", "a list");
  });

  it("a missing secret is told by name, with the command that sets it", async () => {
    await stack.recipe(
      tinyRecipe("x", { files: [{ path: "/etc/token", content: { secret: "TOKEN" }, keep_secret: true }] }),
    );
    await refused("TOKEN", "pulumi config set --secret");
  });

  it("an unreadable file is told by its path", async () => {
    await stack.recipe(tinyRecipe("x", { files: [{ path: "/etc/x", source: "no-such-file" }] }));
    await refused("no-such-file");
  });

  it("bad YAML is told with line and column", async () => {
    await stack.recipe("name: tiny\nmodules: [files\nsize: 2G\n");
    await refused("recipe.yaml", /line \d+|:\d+:\d+/);
  });

  it("a recipe that is not there is told by its path", async () => {
    await stack.settings({ recipe: join(stack.directory, "missing.yaml") });
    await refused("missing.yaml");
  });

  it("a distribution that does not exist is told with the nearest name", async () => {
    await stack.recipe(tinyRecipe("x", { distribution: "debain12" }));
    await refused("debain12", "debian12");
  });

  it("a base whose checksum differs is told with both checksums", async () => {
    const tarball = join(stack.directory, "root.tar");
    await mkdir(join(stack.directory, "root"), { recursive: true });
    await writeFile(join(stack.directory, "root", "file"), "content");
    await execa("tar", ["-C", join(stack.directory, "root"), "-cf", tarball, "."]);
    const wrong = "0".repeat(64);
    await stack.recipe(tinyRecipe("x", { base: { tarball, sha256: wrong } }));
    await refused("root.tar", wrong, /sha256/);
  });

  it("an unknown stack setting is told with the nearest name", async () => {
    await stack.settings({ recipie: "x" });
    await refused("ci-images:recipie", /did you mean "recipe"/);
  });

  it("an image directory without free disk is told with what is needed", async () => {
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

  it("not being root is told, with the cure", async () => {
    const { stdout } = await execa(
      "setpriv",
      ["--reuid=65534", "--clear-groups", "node", "--import", "tsx", "--eval", preflightProgram],
      { cwd: new URL("../..", import.meta.url), reject: false, all: true },
    );
    assert.match(stdout, /runs as user 65534/);
    assert.match(stdout, /root/);
  });
});

/** The stack's own preflight, by itself: the toolchain in root's home can't be run by another user here. */
const preflightProgram = `
  const { preflight } = await import("./components/local/provider/functions/lookups.ts");
  await preflight.call({ home: "/", size: 1 }, {}).catch((error) => console.log(error.message));
`;
