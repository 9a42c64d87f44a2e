// The verb `build`, with the options of Imaging Hot Sauce and, word for word, the build.yaml from its README.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { openLocal } from "./subjects/local.ts";
import { doVerb, failVerb, interruptVerb, type Place } from "./verbs.ts";

const buildYaml = `---
# Which modules should be ran (in order)
modules:
  - install-rpms
  - add_user

# Enable this if you wish to install
# any users info into the image (ie for testing).
add_users: 
   - harlowja

...
`;

describe("./ci-images build", function () {
  this.timeout(300_000);
  let place: Place;
  let temporary: string;

  const filesOf = async (archive: string) => {
    const { stdout } = await execa("tar", ["--list", "--file", join(place.directory, archive)]);
    return stdout.split("\n").sort();
  };

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), "hot-sauce-"));
    place = { directory: join(temporary, "here"), environment: { ...process.env, TMPDIR: join(temporary, "tmp") } };
    for (const folder of ["here", "tmp"]) await mkdir(join(temporary, folder));
    await writeFile(join(place.directory, "build.yaml"), buildYaml);
  });
  afterEach(async () => {
    const left = (await readdir(join(temporary, "tmp"))).filter((name) => name.startsWith("ci-images-"));
    await rm(temporary, { recursive: true });
    assert.deepEqual(left, [], "its stack is removed completely");
  });

  it("-s 4G -o blah.tar.gz -x build.yaml: makes a tar with the root file system, the kernel and the ramdisk", async () => {
    const { stdout } = await doVerb(place, "build", "-s", "4G", "-o", "blah.tar.gz", "-x", "build.yaml");
    assert.equal(stdout, join(place.directory, "blah.tar.gz"));
    assert.deepEqual(await readdir(place.directory), ["blah.tar.gz", "build.yaml"]);
    assert.deepEqual(await filesOf("blah.tar.gz"), ["build-initrd", "build-vmlinuz", "build.img"]);
    await execa("tar", ["--extract", "--sparse", "--file", "blah.tar.gz"], { cwd: place.directory });
    assert.equal((await stat(join(place.directory, "build.img"))).size <= 4 * 2 ** 30, true);
    const read = async (path: string) =>
      (await execa("debugfs", ["-R", `cat ${path}`, join(place.directory, "build.img")])).stdout;
    assert.match(await read("/etc/passwd"), /^harlowja:x:/m);
    assert.match(await read("/usr/lib/os-release"), /^IMAGE_ID=build$/m);
  });

  it("-s 4G: uses the build.yaml of the current folder, without kernel and ramdisk", async () => {
    await doVerb(place, "build", "-s", "4G");
    assert.deepEqual(await filesOf("build.tar.gz"), ["build.img"]);
  });

  for (const [when, begins] of [
    ["a module runs", /debian12: run \.\.\./],
    ["the builder starts", /debian12: builder lease/],
  ] as const) {
    it(`stops soon after Ctrl-C while ${when}, and reports that nothing is left behind`, async () => {
      const computer = await openLocal();
      try {
        Object.assign(place.environment, computer.variables);
        await writeFile(
          join(place.directory, "build.yaml"),
          "modules: [add_user, run]\nadd_users: [a]\nrun: [sleep 500]\n",
        );
        const words = ["build", "-s", "4G", "-o", "blah.tar.gz"];
        const { stdout, stderr, exitCode, seconds } = await interruptVerb(place, begins, ...words);
        assert.equal(exitCode, 1);
        assert.ok(seconds < 60, `it took ${seconds} s`);
        assert.match(stderr, /stopping cleanly/);
        assert.match(stderr, /stopped\. Nothing is left behind; the same command starts over\.\n?$/);
        assert.doesNotMatch(stderr, /error:|FAILED|panic/);
        assert.equal(stdout, "");
        assert.deepEqual(await readdir(place.directory), ["build.yaml"]);
        assert.deepEqual(await computer.leftovers(), []);
      } finally {
        await computer.close();
      }
    });
  }

  it("refuses a missing file, a wrong size and a mistake in the recipe with status 1, and makes nothing", async () => {
    await failVerb(place, 1, /nope\.yaml/, "build", "nope.yaml");
    await failVerb(place, 1, /size.*"4".*"4G"/s, "build", "-s", "4");
    await writeFile(join(place.directory, "build.yaml"), buildYaml.replace("add_user\n", "ad_user\n"));
    await failVerb(place, 1, /ad_user.*add_user/s, "build");
    await failVerb(place, 2, /unknown option '-q'/, "build", "-q");
    await writeFile(join(place.directory, "build.yaml"), buildYaml);
    await failVerb(place, 1, /--output: there is no folder .*out; .*mkdir -p/s, "build", "-o", "out/blah.tar.gz");
    await failVerb(place, 1, /--output: it is a folder/, "build", "-o", ".");
    assert.deepEqual(await readdir(place.directory), ["build.yaml"]);
  });
});
