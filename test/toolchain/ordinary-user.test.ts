// An ordinary user: commands that need root say so first, and leave root's files alone.
import assert from "node:assert/strict";
import { chown, cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { projectDirectory, pulumiVersion } from "../../toolchain/versions.mjs";
import { Checkouts, ordinaryUser } from "./checkouts.ts";

describe("an ordinary user", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(180_000);
  let checkouts: Checkouts;
  let directory: string;
  beforeEach(async () => {
    checkouts = await Checkouts.make(1, `[ "$1" = version ] && echo v${pulumiVersion} && exit; echo "CLI $*"`);
    [directory] = checkouts.directories;
  });
  afterEach(() => checkouts.remove());

  const salted = "config:\n  ci-images:cloud: gce\nencryptionsalt: v1:abc\n";

  /** All files of the checkout with their content. */
  async function everything(): Promise<Record<string, string>> {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const contents = await Promise.all(files.map((file) => readFile(file, "utf8")));
    return Object.fromEntries(files.map((file, index) => [file, contents[index]]));
  }

  describe("in a checkout whose state belongs to root", () => {
    beforeEach(async () => {
      await writeFile(join(directory, "Pulumi.gce.yaml"), salted);
      await checkouts.give(ordinaryUser);
      await chown(join(directory, ".state"), 0, 0);
    });

    const refusal = (user = String(ordinaryUser)) =>
      new RegExp(
        `^\\S+/\\.state belongs to root \\(mode 0700\\); user ${user} can't use it\\n {2}cure: run as root, or take it over: sudo chown -R`,
        "m",
      );

    for (const [what, command] of [
      ["`npx pulumi`", ["node_modules/.bin/pulumi", "up", "-s", "gce"]],
      ["setup", ["node", "toolchain/setup.mjs"]],
      ["setup for a cloud", ["node", "toolchain/setup.mjs", "--for", "cloud"]],
    ] as const) {
      it(`gets an error from ${what}, which changes no file`, async () => {
        const before = await everything();
        const { stderr, exitCode } = await checkouts.run(["env", `--chdir=${directory}`, ...command], []);
        assert.match(String(stderr), refusal());
        assert.equal(exitCode, 1);
        assert.deepEqual(await everything(), before);
      });
    }

    it("gets an error from the verbs, which change no file", async () => {
      const before = await everything();
      // Load modules as root, because other users may not be able to read them, then become the ordinary user.
      const program = `
        const { CommandStack } = await import(${JSON.stringify(join(projectDirectory, "cli/stack.ts"))});
        process.setgroups([]); process.setgid(${ordinaryUser}); process.setuid(${ordinaryUser});
        await CommandStack.open(${JSON.stringify(directory)}, { cloud: "gce" }, { note() {} }, new AbortController().signal)
          .catch((error) => { console.error(error.message); process.exit(1); });`;
      const { stderr, exitCode } = await execa("node", ["--import", "tsx", "--input-type=module", "-e", program], {
        cwd: projectDirectory,
        reject: false,
        env: { PULUMI_HOME: join(checkouts.folder, "pulumi") },
      });
      assert.match(stderr, refusal());
      assert.equal(exitCode, 1);
      assert.deepEqual(await everything(), before);
    });

    it("gets an error if root has left files in the user's own state", async () => {
      await rm(join(directory, ".state"), { recursive: true });
      await cp(join(directory, "toolchain"), join(directory, ".state/.pulumi/stacks/ci-images"), { recursive: true });
      await checkouts.give(ordinaryUser);
      await chown(join(directory, ".state/.pulumi/stacks/ci-images"), 0, 0);
      const { stderr } = await checkouts.run([join(directory, "node_modules/.bin/pulumi"), "preview"], []);
      assert.match(String(stderr), /\.state\/\.pulumi\/stacks\/ci-images belongs to root \(mode 0755\)/);
    });
  });

  it("gets an error if the state is, or would be, on a read-only file system", async () => {
    const pulumi = join(directory, "node_modules/.bin/pulumi");
    const readOnly = async () =>
      await execa(
        "unshare",
        [
          ...[
            "--mount",
            "sh",
            "-c",
            'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" stack ls',
            "-",
          ],
          ...[directory, pulumi],
        ],
        { reject: false, env: { PULUMI_HOME: join(checkouts.folder, "pulumi"), PULUMI_BACKEND_URL: "" } },
      );
    const { stderr, exitCode } = await readOnly();
    assert.match(
      stderr,
      /^\S+\/\.state can't be written to: its file system is read-only\n {2}cure: keep .* PULUMI_BACKEND_URL/,
    );
    assert.equal(exitCode, 1);
    await rm(join(directory, ".state"), { recursive: true });
    assert.match((await readOnly()).stderr, /can't write to \S+ \(EROFS\), where Pulumi's state goes\n {2}cure: use/);
  });

  it("learns from `npm start` that local bakes need root, and how to run it, before anything is written", async () => {
    await rm(join(directory, ".state"), { recursive: true });
    const before = await everything();
    const { stdout, stderr, exitCode } = await checkouts.run(["node", join(directory, "scripts/start.mjs")], []);
    assert.match(
      String(stderr),
      /^the stack local needs root, .* you are user \d+\n {2}cure: sudo (env "PATH=\$PATH" )?npm start; a cloud's stack/,
    );
    assert.equal(stdout, "");
    assert.equal(exitCode, 1);
    assert.deepEqual(await everything(), before);
  });

  it("may begin in a clone whose git has a team's stack: no command changes its settings or makes a second one", async () => {
    await rm(join(directory, ".state"), { recursive: true });
    const file = join(directory, "Pulumi.production.yaml");
    await writeFile(file, salted);
    await checkouts.give(ordinaryUser);
    const pulumi = join(directory, "node_modules/.bin/pulumi");
    const listed = await checkouts.run([pulumi, "stack", "ls"], []);
    assert.equal(listed.stdout, "CLI stack ls");
    for (const words of [
      ["up", "-s", "production"],
      ["stack", "init", "production"],
    ]) {
      const { stdout, stderr, exitCode } = await checkouts.run([pulumi, ...words], []);
      assert.match(String(stderr), /^Pulumi\.production\.yaml seems to belong to a stack in another state/);
      assert.deepEqual([stdout, exitCode], ["", 1]);
    }
    assert.equal(await readFile(file, "utf8"), salted);
  });

  it("needs no setup for a cloud, because `npx pulumi` creates the state and the requested stack", async () => {
    await rm(join(directory, ".state"), { recursive: true });
    await writeFile(join(directory, "Pulumi.gce.yaml"), "config:\n  ci-images:cloud: gce\n");
    await checkouts.give(ordinaryUser);
    const pulumi = join(directory, "node_modules/.bin/pulumi");
    // `npm ci` runs this for the command plugin; it must not create a state.
    const plugin = await checkouts.run([pulumi, "plugin", "install", "resource", "command"], []);
    assert.equal(plugin.stdout, "CLI plugin install resource command");
    assert.ok(!(await readdir(directory)).includes(".state"));
    const { stdout, stderr } = await checkouts.run([pulumi, "preview", "--stack=gce"], []);
    assert.equal(stdout, "CLI preview --stack=gce");
    assert.match(
      String(stderr),
      /^setup: making \S+\/\.state .*\nsetup: making a random passphrase.*\nsetup: making the stack gce\nCLI stack init gce --non-interactive --no-select$/,
    );
    const passphrase = await readFile(join(directory, ".state/passphrase"), "utf8");
    assert.ok(passphrase.length > 40);
    // Options and their values may come before the command.
    const words = ["--color", "never", "-s", "gce", "-C", ".", "preview"];
    const again = await checkouts.run([pulumi, ...words], []);
    assert.equal(again.stdout, `CLI ${words.join(" ")}`);
    assert.match(String(again.stderr), /^setup: making the stack gce\n/);
    // So may the stack's organization and project.
    const full = await checkouts.run([pulumi, "preview", "-s", "organization/ci-images/gce"], []);
    assert.match(String(full.stderr), /^setup: making the stack gce\n/);
  });
});
