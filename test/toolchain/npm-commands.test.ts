// `npm start` and `npm run test:account`, up to where they would bake.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { projectDirectory, pulumiVersion } from "../../toolchain/versions.mjs";
import { writeProgram } from "./program.ts";

describe("npm", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-npm-"));
    for (const name of ["toolchain", "scripts"])
      await cp(join(projectDirectory, name), join(folder, name), { recursive: true, verbatimSymlinks: true });
    for (const name of ["package.json", "package-lock.json", "Pulumi.yaml"])
      await cp(join(projectDirectory, name), join(folder, name));
    for (const name of ["node_modules", "cli", "common", "components", "provision", "provider"])
      await symlink(join(projectDirectory, name), join(folder, name));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Runs a script in the checkout, with a CLI that answers `stack ls` and prints everything else. */
  async function run(...words: string[]) {
    await writeProgram(
      join(folder, "bin/pulumi"),
      `case "$1 $2" in
        "version "*) echo v${pulumiVersion} ;;
        "stack ls") echo '[{"name":"local"}]' ;;
        "stack output") echo '{"images":{}}' ;;
        *) echo "CLI $*"
      esac`,
    );
    const ours = { PULUMI_BACKEND_URL: undefined };
    const env = { ...process.env, ...ours, PATH: [join(folder, "bin"), process.env.PATH].join(delimiter) };
    const options = { cwd: folder, env, extendEnv: false, reject: false, stdin: "ignore", all: true } as const;
    return await execa(process.execPath, words, options);
  }

  for (const [key, value] of [
    ["stage", "none"],
    ["stage", "builder"],
    ["power", "off"],
  ])
    it(`start bakes nothing while ${key} is ${value}, and says how to go on`, async () => {
      const settings = `config:\n  ci-images:cloud: local\n  ci-images:${key}: ${value === "off" ? '"off"' : value}\n`;
      await writeFile(join(folder, "Pulumi.local.yaml"), settings);
      const { all, exitCode } = await run("scripts/start.mjs");
      assert.equal(exitCode, 1, all);
      assert.match(
        all,
        new RegExp(`Pulumi\\.local\\.yaml: ci-images:${key} is ${value}, .*\n {2}cure: \\./ci-images it`),
      );
      assert.doesNotMatch(all, /CLI up/);
    });

  it("start ends without a trace if the stack has no image on this computer", async () => {
    const { all, exitCode } = await run("scripts/start.mjs");
    assert.match(all, /CLI up --stack local/);
    assert.equal(exitCode, 0, all);
  });

  it("run test:account needs no stack local and none of its Debian packages", async () => {
    await mkdir(join(folder, "settings"));
    await writeFile(join(folder, "settings/ec2.yaml"), "config:\n  ci-images:ec2:\n    region: us-west-2\n");
    const script = ["--import=tsx", "scripts/test-account/main.ts"];
    const { all } = await run(...script, "--cloud", "ec2", "--settings", "settings/ec2.yaml");
    assert.match(all, /no terminal to ask on/);
    assert.doesNotMatch(all, /stack local/);
    assert.ok(!(await readdir(folder)).includes("Pulumi.local.yaml"));
  });

  it("test fails if no test ran, which mocha takes for a success", async () => {
    const words = [join(projectDirectory, "scripts/test.mjs"), "test/toolchain/test-account.test.ts"];
    const none = await execa("node", [...words, "-g", "no such title"], { reject: false });
    assert.match(none.stdout, /FAILED .* tests \(mocha\)\nno test ran: .*\n0 passed, 1 failed$/);
    assert.equal(none.exitCode, 1);
    const one = await execa("node", [...words, "-g", "destroyed at last"], { reject: false });
    assert.match(one.stdout, /\n1 passed, 0 failed$/);
    assert.equal(one.exitCode, 0);
  });
});
