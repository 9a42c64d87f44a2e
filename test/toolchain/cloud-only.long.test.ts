// A cloud's stack on a computer without root and without Debian's packages, such as macOS:
// `npm ci && npx pulumi preview -s ec2`.
import assert from "node:assert/strict";
import { chown, cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { execa } from "execa";
import { toolchainEnvironment } from "../../toolchain/environment.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** The user `nobody`. It needs a name, because the CLI looks it up. */
const ordinaryUser = 65534;

describe("a cloud's stack of an ordinary user with only Node and Pulumi on PATH", function () {
  // npm fetches all packages.
  this.timeout(15 * 60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-cloud-only-"));
    const left = ["node_modules", ".state", ".cache", ".git", "images", "Pulumi.local.yaml"];
    await cp(projectDirectory, join(folder, "checkout"), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !left.includes(relative(projectDirectory, path)),
    });
    await mkdir(join(folder, "home"));
    await mkdir(join(folder, "bin"));
    for (const [name, target] of Object.entries(programs())) await symlink(target, join(folder, "bin", name));
    await cp(toolchainEnvironment().cli, join(folder, "bin/pulumi"));
    await chown(folder, ordinaryUser, ordinaryUser);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
      if (!entry.isSymbolicLink()) await chown(join(entry.parentPath, entry.name), ordinaryUser, ordinaryUser);
  });
  after(() => rm(folder, { recursive: true }));

  /** Programs on PATH beside Pulumi's CLI: Node, npm, and the shell that npm needs. */
  function programs(): Record<string, string> {
    const beside = (name: string) => join(dirname(process.execPath), name);
    return { node: process.execPath, npm: beside("npm"), npx: beside("npx"), sh: "/bin/sh" };
  }

  const run = (...command: string[]) =>
    execa(
      "setpriv",
      [
        ...[`--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, "--clear-groups", "/usr/bin/env"],
        ...["-i", `PATH=${join(folder, "bin")}`, `HOME=${join(folder, "home")}`, ...command],
      ],
      { cwd: join(folder, "checkout"), reject: false, all: true },
    );

  it("needs only `npm ci`; then a preview lacks nothing but credentials", async () => {
    const installed = await run("npm", "ci", "--no-audit", "--no-fund");
    assert.equal(installed.exitCode, 0, installed.all);
    assert.ok(!(await readdir(join(folder, "checkout"))).includes(".state"), "npm ci creates no state");
    const preview = await run("npx", "pulumi", "preview", "-s", "ec2", "--non-interactive");
    assert.match(preview.all, /setup: making the stack ec2/);
    assert.match(preview.all, /cure: AWS takes credentials from the environment/);
    assert.doesNotMatch(preview.all, /not found|ENOENT|root/);
    // The second run needs no setup.
    const again = await run("npx", "pulumi", "preview", "-s", "ec2", "--non-interactive");
    assert.doesNotMatch(again.all, /setup:/);
    assert.match(again.all, /cure: AWS takes credentials from the environment/);
    const verb = await run("npx", "ci-images", "distributions");
    assert.equal(verb.exitCode, 0, verb.all);
  });
});
