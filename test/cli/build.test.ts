// The files that `build` makes, with a CLI that only pretends to bake.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { runVerb } from "../engine/verbs.ts";
import { writeProgram } from "../toolchain/program.ts";
import { FakeProject } from "./fake-project.ts";

describe("`build`", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);
  let project: FakeProject;
  let here: string;
  beforeEach(async () => {
    const state = (path: string) => {
      const image = { path, recipe: "abc", builtAt: "T" };
      const outputs = { images: { local: { debian12: image } } };
      const urn = "urn:pulumi:s::ci-images::pulumi:pulumi:Stack::ci-images-s";
      return JSON.stringify({
        version: 3,
        deployment: { resources: [{ urn, type: "pulumi:pulumi:Stack", outputs }] },
      });
    };
    project = await FakeProject.make(`"stack init") echo "$3" >$folder/name ;;
      "stack ls") echo "[{\\"name\\":\\"$(cat $folder/name)\\",\\"current\\":true}]" ;;
      "up "*) images=$(sed -n 's/.*imageDirectory: //p' Pulumi.$(cat $folder/name).yaml)
        mkdir -p $images/image; cd $images/image
        for part in build.img build-vmlinuz build-initrd; do echo $part >$part; done
        tar -czf build.tar.gz build.img build-vmlinuz build-initrd; echo $images/image >$folder/image ;;
      "stack output") echo {} ;;
      "stack history") echo [] ;;
      "destroy "*) rm -r $(cat $folder/image) ;;
      "stack export") sed "s,IMAGE,$(cat $folder/image)," <<'END'
${state("IMAGE")}
END
        ;;`);
    here = join(project.directory, "here");
    await mkdir(here);
    await writeFile(join(here, "build.yaml"), "modules: [run]\nrun: ['true']\n");
  });
  afterEach(() => project.remove());

  const build = (...words: string[]) =>
    runVerb({ directory: here, environment: project.environment }, "build", ...words);
  const filesOf = async (archive: string) =>
    (await execa("tar", ["--list", "--file", join(here, archive)])).stdout.split("\n");

  it("makes the image beside the tar, and leaves only the tar", async () => {
    const { stdout, stderr, exitCode } = await build("-o", "root.tar.gz");
    assert.deepEqual([stdout, exitCode], [join(here, "root.tar.gz"), 0], stderr);
    assert.match(await readFile(join(project.directory, "image"), "utf8"), /\/here\/\.root\.tar\.gz-\w+\/images\//);
    assert.equal((await build("-o", "whole.tar.gz", "-x")).exitCode, 0);
    assert.deepEqual(await filesOf("root.tar.gz"), ["build.img"]);
    assert.deepEqual(await filesOf("whole.tar.gz"), ["build.img", "build-vmlinuz", "build-initrd"]);
    assert.deepEqual(await readdir(here), ["build.yaml", "root.tar.gz", "whole.tar.gz"]);
  });

  it("keeps the whole archive, and names it, if it can't be packed without the kernel", async () => {
    await writeProgram(join(project.directory, "full/pigz"), "echo 'No space left on device' >&2; exit 1");
    project.environment.PATH = [join(project.directory, "full"), project.environment.PATH].join(delimiter);
    const { stderr, exitCode } = await build("-o", "root.tar.gz");
    const whole = join(here, "root.tar.gz.with-kernel");
    assert.match(stderr, /could not be packed .*No space left on device/s);
    assert.ok(stderr.includes(`kernel and ramdisk is kept: ${whole}`), stderr);
    assert.equal(exitCode, 1);
    assert.deepEqual(await filesOf("root.tar.gz.with-kernel"), ["build.img", "build-vmlinuz", "build-initrd"]);
    assert.deepEqual(await readdir(here), ["build.yaml", "root.tar.gz.with-kernel"]);
  });
});
