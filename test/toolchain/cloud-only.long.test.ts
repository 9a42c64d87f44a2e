// A cloud's stack on a computer without root and without Debian's packages, as macOS is one: `npm ci && npx pulumi preview -s ec2`.
import assert from "node:assert/strict";
import { chown, cp, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { execa } from "execa";
import { toolchainEnvironment } from "../../toolchain/environment.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** `nobody`: the CLI asks who the user is. */
const ordinaryUser = 65534;

describe("a cloud's stack as an ordinary user with nothing but Node and Pulumi on PATH", function () {
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

  /** What is on PATH beside Pulumi's CLI: Node with npm, and the shell that npm runs commands with. */
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

  it("npm ci, and then a preview that lacks nothing but the account", async () => {
    const installed = await run("npm", "ci", "--no-audit", "--no-fund");
    assert.equal(installed.exitCode, 0, installed.all);
    assert.ok(!(await readdir(join(folder, "checkout"))).includes(".state"), "npm ci makes no state");
    const preview = await run("npx", "pulumi", "preview", "-s", "ec2", "--non-interactive");
    assert.match(preview.all, /setup: making the stack ec2/);
    assert.match(preview.all, /cure: AWS takes credentials from the environment/);
    assert.doesNotMatch(preview.all, /not found|ENOENT|root/);
    // Once more: nothing is left to make.
    const again = await run("npx", "pulumi", "preview", "-s", "ec2", "--non-interactive");
    assert.doesNotMatch(again.all, /setup:/);
    assert.match(again.all, /cure: AWS takes credentials from the environment/);
    const verb = await run("npx", "ci-images", "distributions");
    assert.equal(verb.exitCode, 0, verb.all);
  });
});
