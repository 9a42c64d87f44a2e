// Several launchers named `pulumi` on one computer: other checkouts, wrappers, version managers.
import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { pulumiVersion } from "../../toolchain/versions.mjs";
import { Checkouts } from "./checkouts.ts";
import { writeProgram } from "./program.ts";

describe("the launcher, beside others,", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(180_000);
  let checkouts: Checkouts;
  afterEach(() => checkouts.remove());

  const showing = `[ "$1" = version ] && echo v${pulumiVersion} && exit; echo "CLI $* $PULUMI_BACKEND_URL"`;

  for (const count of [2, 3]) {
    it(`finds the CLI and not another launcher with ${count} checkouts on PATH`, async () => {
      checkouts = await Checkouts.make(count, showing);
      for (const [index, directory] of checkouts.directories.entries()) {
        const { stdout, stderr, exitCode } = await checkouts.run(
          [join(checkouts.commands[index], "pulumi"), "up"],
          checkouts.commands,
        );
        assert.equal(stderr, "");
        assert.equal(stdout, `CLI up file://${directory}/.state?metadata=skip`);
        assert.equal(exitCode, 0);
      }
    });
  }

  it("fails at once if a version manager mistakes it for the CLI and asks for its version", async () => {
    checkouts = await Checkouts.make(2, showing);
    const [one] = checkouts.commands;
    // Version managers without a version of their own run the next one on PATH.
    const manager = join(checkouts.folder, "manager/pulumi");
    await writeProgram(manager, `PATH=${[one, "/usr/bin", "/bin"].join(delimiter)}; exec pulumi "$@"`);
    const asked = await checkouts.run([manager, "version"], [], { CI_IMAGES_LAUNCHER: "asking" });
    assert.match(String(asked.stderr), /checkout-0\/.*\/pulumi: this is ci-images' launcher and not the Pulumi CLI/);
    assert.equal(asked.exitCode, 1);
    const { stdout } = await checkouts.run(["pulumi", "up"], [one, dirname(manager), ...checkouts.commands]);
    assert.match(String(stdout), /^CLI up /);
  });

  it("fails with an explanation after a few rounds if launchers still start each other", async () => {
    checkouts = await Checkouts.make(2);
    const [one, other] = checkouts.commands;
    const log = join(checkouts.folder, "rounds");
    await writeProgram(
      checkouts.cli,
      `[ "$1" = version ] && echo v${pulumiVersion} && exit; echo round >> ${log}; exec ${other}/pulumi "$@"`,
    );
    const { stderr, exitCode } = await checkouts.run([join(one, "pulumi"), "up"], []);
    assert.match(
      String(stderr),
      /launchers of ci-images start each other: .*\n {2}cure: look at each `pulumi` on PATH/,
    );
    assert.equal(exitCode, 1);
  });

  it("uses its own state and parts even if a program started by another checkout's CLI runs it", async () => {
    checkouts = await Checkouts.make(2);
    const [one, other] = checkouts.directories;
    await writeProgram(
      checkouts.cli,
      `[ "$1" = version ] && echo v${pulumiVersion} && exit
      [ "$1" = up ] && unset PULUMI_BACKEND_URL && exec ${other}/node_modules/.bin/pulumi stack
      echo "$PULUMI_BACKEND_URL"; echo "$PATH"`,
    );
    const { stdout, exitCode } = await checkouts.run([join(one, "node_modules/.bin/pulumi"), "up"], []);
    assert.equal(exitCode, 0);
    const [backend, path] = String(stdout).split("\n");
    assert.equal(backend, `file://${other}/.state?metadata=skip`);
    assert.ok(
      path.endsWith(`${other}/toolchain/offline/language-host:${other}/toolchain/offline/command-plugin`),
      path,
    );
    assert.ok(!path.includes(one), path);
  });

  it("never runs a script named `pulumi`, and setup says that it is not used", async () => {
    checkouts = await Checkouts.make(1, showing);
    const [directory] = checkouts.directories;
    const wrapper = join(checkouts.folder, "wrapper/pulumi");
    await mkdir(dirname(wrapper));
    await writeFile(wrapper, `#!/bin/sh\ntouch ${checkouts.folder}/was-run\necho v3.999.0\n`, { mode: 0o755 });
    const { stdout } = await checkouts.run([join(directory, "node_modules/.bin/pulumi"), "up"], [dirname(wrapper)]);
    assert.match(String(stdout), /^CLI up /);
    const found = await checkouts.run(
      [
        "node",
        "--input-type=module",
        "-e",
        `import { wrappedClis } from "${directory}/toolchain/environment.mjs"; console.log(wrappedClis(process.env).join())`,
      ],
      [...checkouts.commands, dirname(wrapper)],
    );
    assert.equal(found.stdout, wrapper);
    const { exitCode } = await checkouts.run(["test", "-e", join(checkouts.folder, "was-run")], []);
    assert.equal(exitCode, 1);
  });

  it("works through a symbolic link from anywhere", async () => {
    checkouts = await Checkouts.make(2, showing);
    const [one, other] = checkouts.commands;
    const bin = join(checkouts.folder, "bin");
    await mkdir(bin);
    await symlink(join(other, "pulumi"), join(bin, "pulumi"));
    const { stdout } = await checkouts.run(["pulumi", "up"], [bin, one]);
    assert.equal(stdout, `CLI up file://${checkouts.directories[1]}/.state?metadata=skip`);
  });
});
