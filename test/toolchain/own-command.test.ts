// The project's own command: from any folder, through a link, through npx, and fast.
import assert from "node:assert/strict";
import { mkdtemp, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { projectDirectory } from "../../toolchain/versions.mjs";

describe("the project's own command", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-command-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const usage = /^usage: ci-images VERB/;

  it("runs from any folder, and through a link", async () => {
    const command = join(projectDirectory, "ci-images");
    await symlink(command, join(folder, "images"));
    for (const path of [command, "./images"]) {
      const { stdout } = await execa(path, ["help"], { cwd: folder });
      assert.match(stdout, usage);
    }
  });

  it("is found by npx without a copy of the project", async () => {
    // npm itself has made the link, so no setup is needed.
    assert.match(await readlink(join(projectDirectory, "node_modules/.bin/ci-images")), /ci-images(\.mjs)?$/);
    const cache = join(folder, "cache");
    const { stdout } = await execa("npx", ["--offline", `--cache=${cache}`, "ci-images", "help"], {
      cwd: projectDirectory,
    });
    assert.match(stdout, usage);
    const { exitCode } = await execa("test", ["-e", join(cache, "_npx")], { reject: false });
    assert.equal(exitCode, 1, "npx has made a copy");
  });

  it("uses at most a dozen times the processor time of an empty Node program", async () => {
    /** Processor time in seconds, which other load hardly changes; the least of three runs. */
    async function seconds(...words: string[]): Promise<number> {
      const times = [];
      for (let round = 0; round < 3; round++) {
        const timed = `TIMEFORMAT='%U %S'; time "$@" >/dev/null`;
        const { stderr } = await execa("bash", ["-c", timed, "bash", ...words]);
        const [user, system] = stderr.trim().split(" ").map(Number);
        times.push(user + system);
      }
      return Math.min(...times);
    }
    const empty = await seconds("node", "-e", "0");
    const help = await seconds(join(projectDirectory, "ci-images"), "help");
    assert.ok(help < empty * 12, `help takes ${help} s, an empty program ${empty} s`);
  });
});
