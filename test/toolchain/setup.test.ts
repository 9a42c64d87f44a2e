// The parts of setup that can be tested without installing anything.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import semver from "semver";
import { debianTools, installDebianTools, missingTools } from "../../toolchain/setup/debian-tools.mjs";
import { whyNpmPackages } from "../../toolchain/setup/npm-packages.mjs";
import { withLock } from "../../toolchain/setup/run.mjs";
import { prepareStack, prepareState, releaseSettings } from "../../toolchain/setup/state.mjs";
import { withSystemDirectories } from "../../toolchain/system-directories.mjs";
import { isNodeSupported, nodeRange, projectDirectory } from "../../toolchain/versions.mjs";

describe("setup", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-setup-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  it("does nothing if everything is installed, in under two seconds", async () => {
    const { stdout } = await execa("node", [join(projectDirectory, "toolchain/setup.mjs"), "--for", "test"]);
    const seconds = /^setup: done \(([\d.]+) s\)$/.exec(stdout)?.[1];
    assert.ok(Number(seconds) < 2, stdout);
  });

  it("accepts the versions of Node in package.json, on which all locked packages run", async () => {
    const read = async (file: string) => JSON.parse(await readFile(join(projectDirectory, file), "utf8")) as object;
    const { engines } = (await read("package.json")) as { engines: { node: string } };
    assert.equal(engines.node, nodeRange);
    for (const version of ["18.20.4", "20.16.0", "20.17.0", "21.7.3", "22.8.0", "22.9.0", "23.0.0", "24.1.0", "26.0.0"])
      assert.equal(isNodeSupported(version), semver.satisfies(version, nodeRange), version);
    const { packages } = (await read("package-lock.json")) as {
      packages: Record<string, { dev?: boolean; engines?: { node?: string } }>;
    };
    const refusing = Object.entries(packages).filter(
      ([, { dev, engines }]) => !dev && engines?.node && !semver.subset(nodeRange, engines.node),
    );
    assert.deepEqual(refusing, []);
  });

  it("refuses an unknown purpose and lists the known ones", async () => {
    const run = await execa("node", [join(projectDirectory, "toolchain/setup.mjs"), "--for", "fun"], { reject: false });
    assert.equal(run.exitCode, 1);
    assert.equal(
      run.stderr,
      "--for fun: no such purpose\n  cure: --for start, --for test, --for long-test, --for cloud",
    );
  });

  it("notices npm packages that are missing or outdated, but not optional ones for other computers", async () => {
    const write = async (file: string, packages: object) => writeFile(join(folder, file), JSON.stringify({ packages }));
    await write("package-lock.json", {
      "": {},
      "node_modules/one": { version: "1.0.0" },
      "node_modules/other-computers": { version: "1.0.0", optional: true },
    });
    assert.match(whyNpmPackages(folder) ?? "", /not installed/);
    await mkdir(join(folder, "node_modules"));
    await write("node_modules/.package-lock.json", {});
    assert.match(whyNpmPackages(folder) ?? "", /node_modules\/one, which is not installed/);
    await write("node_modules/.package-lock.json", { "node_modules/one": { version: "0.9.0" } });
    assert.match(whyNpmPackages(folder) ?? "", /node_modules\/one 1\.0\.0, installed is 0\.9\.0/);
    await write("node_modules/.package-lock.json", { "node_modules/one": { version: "1.0.0" } });
    assert.equal(whyNpmPackages(folder), undefined);
  });

  it("installs the development packages even with NODE_ENV=production", async () => {
    await writeFile(join(folder, "package.json"), JSON.stringify({ name: "x", devDependencies: { one: "file:one" } }));
    await mkdir(join(folder, "one"));
    await writeFile(join(folder, "one/package.json"), JSON.stringify({ name: "one", version: "1.0.0" }));
    await execa("npm", ["install", "--package-lock-only", "--offline"], { cwd: folder });
    const setup = pathToFileURL(join(projectDirectory, "toolchain/setup/npm-packages.mjs"));
    const program = `import { installNpmPackages } from "${setup.href}"; await installNpmPackages("${folder}");`;
    const env = { NODE_ENV: "production" };
    await execa("node", ["--input-type=module", "-e", program], { env });
    assert.equal(whyNpmPackages(folder), undefined);
  });

  it("makes a private state directory with a random passphrase, and keeps both", async () => {
    prepareState(folder, {});
    const passphrase = await readFile(join(folder, ".state/passphrase"), "utf8");
    assert.ok(passphrase.length > 40);
    assert.equal(await mode(join(folder, ".state")), "700");
    assert.equal(await mode(join(folder, ".state/passphrase")), "600");
    await chmod(join(folder, ".state/passphrase"), 0o644);
    prepareState(folder, {});
    assert.equal(await readFile(join(folder, ".state/passphrase"), "utf8"), passphrase);
    assert.equal(await mode(join(folder, ".state/passphrase")), "600");
  });

  it("makes one passphrase even if several first commands run at the same time", async () => {
    const module = pathToFileURL(join(projectDirectory, "toolchain/setup/state.mjs"));
    const program = `
      import { readFileSync } from "node:fs";
      import { prepareState } from "${module.href}";
      while (Date.now() < ${Date.now() + 3000}) {}
      prepareState("${folder}", {}, () => undefined);
      console.log(readFileSync("${folder}/.state/passphrase", "utf8"));`;
    const one = () => execa("node", ["--input-type=module", "-e", program]);
    const found = await Promise.all(Array.from({ length: 8 }, one));
    assert.equal(new Set(found.map(({ stdout }) => stdout)).size, 1);
    assert.deepEqual(await readdir(join(folder, ".state")), ["passphrase"]);
  });

  it("creates no state if the user has chosen a backend, and no second passphrase if the first is lost", async () => {
    prepareState(folder, { PULUMI_BACKEND_URL: "s3://team" });
    await assert.rejects(stat(join(folder, ".state")), /ENOENT/);
    await mkdir(join(folder, ".state/.pulumi/stacks/ci-images"), { recursive: true });
    assert.throws(() => prepareState(folder, {}), /passphrase .*passphrase is gone\n {2}cure: restore/);
    await assert.rejects(stat(join(folder, ".state/passphrase")), /ENOENT/);
  });

  // Written by the CLI with the passphrase `test`.
  const salt = "encryptionsalt: v1:uyfTzFUIwBo=:v1:mQZmQNdfhWZgbtcD:wKJAKNQxa6n7BmKtaOHgMGXG2q/UAA==\n";

  it("leaves the settings of all stacks alone: a team's are in git, with the salt of its passphrase", async () => {
    const file = join(folder, "Pulumi.production.yaml");
    for (const secrets of ["", "  ci-images:secrets:\n    TOKEN:\n      secure: v1:x\n"]) {
      await rm(join(folder, ".state"), { recursive: true, force: true });
      const text = `config:\n  ci-images:cloud: ec2\n${secrets}${salt}`;
      await writeFile(file, text);
      prepareState(folder, {});
      assert.equal(await readFile(file, "utf8"), text);
    }
  });

  describe("before it creates a stack in the project's own state,", () => {
    const config = "config:\n  ci-images:keep: 1\n";
    const secrets = "  ci-images:secrets:\n    TOKEN:\n      secure: v1:x\n";
    beforeEach(() => prepareState(folder, {}));
    const release = async (stack: string, text: string, environment: NodeJS.ProcessEnv = {}, isAsked = false) => {
      const file = join(folder, `Pulumi.${stack}.yaml`);
      await writeFile(file, text);
      try {
        releaseSettings(stack, folder, environment, () => undefined, { isAsked });
      } catch (error) {
        assert.equal(await readFile(file, "utf8"), text);
        throw error;
      }
      return await readFile(file, "utf8");
    };

    it("starts over with the stack local if the state was removed, unless secrets need the lost passphrase", async () => {
      assert.equal(await release("local", config + salt), config);
      await assert.rejects(
        release("local", config + secrets + salt),
        /Pulumi\.local\.yaml has secrets .*another passphrase than \S+\/passphrase\n {2}cure: restore/,
      );
    });

    it("refuses settings of a stack that is in another state, such as a team's", async () => {
      const refusal =
        /^ToolProblem: Pulumi\.production\.yaml seems to belong to a stack in another state .*\n {2}cure: .*PULUMI_BACKEND_URL.* remove the line `encryptionsalt` from Pulumi\.production\.yaml$/;
      await assert.rejects(release("production", config + salt), refusal);
      await assert.rejects(release("production", config + salt, {}, true), refusal);
      // The team's passphrase without the team's backend.
      await assert.rejects(
        release("production", config + salt, { PULUMI_CONFIG_PASSPHRASE: "test" }),
        /^ToolProblem: Pulumi\.production\.yaml seems to belong to a stack in another state .*\n {2}cure: .*PULUMI_BACKEND_URL.* remove the line `encryptionsalt` from Pulumi\.production\.yaml, or run `npx pulumi stack init` yourself: the passphrase that is set fits$/,
      );
      await assert.rejects(
        release("production", config + secrets + salt),
        /remove the line `encryptionsalt` and the secrets/,
      );
      const key = "secretsprovider: awskms://alias/ci-images\nencryptedkey: AQID\n";
      await assert.rejects(release("production", config + key), /remove the line `encryptedkey`/);
    });

    it("keeps the salt of the passphrase in use", async () => {
      const own = { PULUMI_CONFIG_PASSPHRASE: "test" };
      assert.equal(await release("ec2", config + salt, own, true), config + salt);
      assert.equal(await release("local", config + salt, own), config + salt);
      await writeFile(join(folder, ".state/passphrase"), "test\n");
      assert.equal(await release("ec2", config + secrets + salt), config + secrets + salt);
      assert.equal(await release("ec2", config), config);
    });
  });

  describe("before it creates a stack on a shared backend,", () => {
    const config = "config:\n  ci-images:cloud: ec2\n";
    const backend = { PULUMI_BACKEND_URL: "s3://our-bucket", PULUMI_CONFIG_PASSPHRASE: "the team's" };
    let file: string;
    beforeEach(async () => {
      file = join(folder, "Pulumi.production.yaml");
      await mkdir(join(folder, ".state"));
      await writeFile(join(folder, ".state/passphrase"), "test\n");
    });
    const release = async (text: string, environment: NodeJS.ProcessEnv) => {
      await writeFile(file, text);
      releaseSettings("organization/ci-images/production", folder, environment, () => undefined);
      return await readFile(file, "utf8");
    };

    it("removes the salt of the checkout's own passphrase, because Pulumi would refuse the team's passphrase", async () => {
      assert.equal(await release(config + salt, backend), config);
    });

    it("keeps the salt of another passphrase, and of the passphrase in use", async () => {
      await writeFile(join(folder, ".state/passphrase"), "another\n");
      assert.equal(await release(config + salt, backend), config + salt);
      await writeFile(join(folder, ".state/passphrase"), "test\n");
      assert.equal(await release(config + salt, { ...backend, PULUMI_CONFIG_PASSPHRASE: "test" }), config + salt);
    });

    it("refuses settings with secrets that need the checkout's own passphrase", async () => {
      const text = `${config}  ci-images:secrets:\n    TOKEN:\n      secure: v1:abc\n${salt}`;
      await assert.rejects(
        release(text, backend),
        /Pulumi\.production\.yaml has secrets .*another passphrase\n.*set them again/,
      );
      assert.equal(await readFile(file, "utf8"), text);
    });
  });

  it("has a reason and a check for every Debian package", () => {
    for (const { name, proof, reason } of debianTools) assert.ok(name && proof && reason.length > 5, name);
    assert.equal(new Set(debianTools.map(({ name }) => name)).size, debianTools.length);
    assert.deepEqual(missingTools("test", process.env), []);
  });

  it("finds tools in the system's folders, which the provider adds to a PATH that lacks them", () => {
    assert.deepEqual(missingTools("start", { PATH: "/usr/bin:/bin" }), []);
    assert.equal(withSystemDirectories("/usr/bin:/sbin:/bin"), "/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/sbin");
    assert.equal(withSystemDirectories(undefined), "/usr/local/sbin:/usr/sbin:/sbin");
  });

  it("says what to run if there is no apt-get or no root", async () => {
    // Tools are also found in system folders outside PATH, so add a tool that does not exist.
    debianTools.push({ name: "no-such-package", proof: "no-such-command", reason: "this test" });
    try {
      await assert.rejects(
        installDebianTools("start", { PATH: folder }),
        /no apt-get to install them.*no-such-package: this test/s,
      );
      await writeFile(join(folder, "apt-get"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      const getuid = process.getuid;
      process.getuid = () => 1000;
      try {
        const command = /sudo apt-get update && sudo apt-get install -y --no-install-recommends .*no-such-package/;
        await assert.rejects(installDebianTools("start", { PATH: folder }), command);
      } finally {
        process.getuid = getuid;
      }
    } finally {
      debianTools.pop();
    }
  });

  it("finds a stack whose state is compressed", async () => {
    await writeFile(join(folder, "Pulumi.yaml"), "name: x\nruntime: nodejs\n");
    for (const variable of ["PULUMI_DIY_BACKEND_GZIP", "PULUMI_DIY_BACKEND_ZSTD"]) {
      const environment = { ...process.env, PULUMI_BACKEND_URL: undefined, [variable]: "true" };
      const [made, found] = [[] as string[], [] as string[]];
      prepareState(folder, environment, () => undefined);
      await prepareStack("local", folder, environment, (line) => made.push(line));
      await prepareStack("local", folder, environment, (line) => found.push(line));
      assert.deepEqual([made.length, found], [1, []], variable);
      await rm(join(folder, ".state"), { recursive: true });
      await rm(join(folder, "Pulumi.local.yaml"));
    }
  });

  it("says what to do if a folder can't be made, or the backend can't be reached", async () => {
    await writeFile(join(folder, "file"), "");
    await assert.rejects(
      withLock(join(folder, "file/.pulumi/lock"), () => Promise.resolve()),
      /^ToolProblem: the folder \S+\.pulumi can't be made: ENOTDIR.*\n {2}cure: .*PULUMI_HOME/,
    );
    await writeFile(join(folder, "Pulumi.yaml"), "name: x\nruntime: nodejs\n");
    const environment = { ...process.env, PULUMI_BACKEND_URL: "postgres://me:secret@127.0.0.1:1/x" };
    await assert.rejects(
      prepareStack("local", folder, environment),
      /^ToolProblem: the stacks in postgres:\/\/127\.0\.0\.1:1\/x can't be listed, see above\n {2}cure: check .*pulumi login/,
    );
  });

  it("runs once at a time, and is not blocked by a killed run", async () => {
    const file = join(folder, "lock");
    const holder = execa("node", ["--input-type=module", "-e", holdForEver], { reject: false, env: { LOCK: file } });
    await once(holder.stdout, "data");
    let entered = false;
    const waiting = withLock(file, async () => void (entered = true));
    await sleep(200);
    assert.equal(entered, false);
    holder.kill("SIGKILL");
    await waiting;
    assert.equal(entered, true);
  });

  const holdForEver = `
    import { withLock } from ${JSON.stringify(join(projectDirectory, "toolchain/setup/run.mjs"))};
    await withLock(process.env.LOCK, () => { console.log("has it"); return new Promise(() => setInterval(() => {}, 1e6)); });`;
});
