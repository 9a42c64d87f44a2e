// The verbs that only print information, and the command line itself: output and exit status.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distributions } from "../../provision/distributions.ts";
import { libraryFolder, ModuleCatalogue } from "../../provision/recipe/load-modules.ts";
import { verbs } from "../../cli/verbs.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { doVerb, failVerb, type Place } from "./verbs.ts";

describe("./ci-images, without a stack", function () {
  this.timeout(120_000);
  let place: Place;

  before(async () => {
    place = { directory: await mkdtemp(join(tmpdir(), "ci-images-info-")), environment: process.env };
  });
  after(() => rm(place.directory, { recursive: true }));

  /** Runs a verb that must print to standard output only. @returns the output. */
  async function printed(...words: string[]): Promise<string> {
    const { stdout, stderr } = await doVerb(place, ...words);
    assert.equal(stderr, "");
    return stdout;
  }

  it("help, --help and no arguments: list every verb", async () => {
    const help = await printed("help");
    for (const { name, summary } of verbs) assert.ok(help.includes(`  ${name} `) && help.includes(summary), name);
    assert.match(help, /Exit status: 0 done, 1 failed, 2 wrong usage\./);
    for (const words of [["--help"], []]) assert.equal(await printed(...words), help);
  });

  it("help VERB: prints the verb's examples, for every verb", async () => {
    for (const { name, examples } of verbs) {
      const text = await printed("help", name);
      for (const example of examples) assert.ok(text.includes(`$ ./ci-images ${example}`), example);
    }
    assert.equal(await printed("down", "--help"), await printed("help", "down"));
  });

  it("--version: prints the project's version", async () => {
    const { version } = JSON.parse(await readFile(join(projectDirectory, "package.json"), "utf8")) as {
      version: string;
    };
    assert.equal(await printed("--version"), version);
  });

  it("modules: lists the library; with a name, prints the module's settings and an example", async () => {
    const list = (await printed("modules")).split("\n").map((line) => line.split(" ")[0]);
    assert.deepEqual(list, new ModuleCatalogue([libraryFolder]).names);
    const java = await printed("modules", "java");
    assert.match(java, /^ {2}java\.version: /m);
    assert.match(java, /^modules:\n {2}- java\njava:/m);
    await failVerb(place, 1, /no module jav;.*did you mean java\?/s, "modules", "jav");
  });

  it("distributions: lists each one with its login user", async () => {
    const lines = (await printed("distributions")).split("\n");
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      distributions.map(({ id }) => id),
    );
    for (const [index, { loginUser }] of distributions.entries()) assert.ok(lines[index].includes(loginUser));
  });

  it("exits with status 2 for a malformed command line, and says what is allowed", async () => {
    await failVerb(place, 2, /boostrap: no such verb; did you mean bootstrap\?/, "boostrap");
    await failVerb(place, 2, /unknown option '--nope'/, "up", "--nope");
    await failVerb(place, 2, /it:cloud: "cloud" is not KEY=VALUE/, "it:cloud");
    await failVerb(place, 2, /a verb is missing/, "--cloud", "ec2");
    await failVerb(place, 2, /name a file, or pass --jcasc/, "export");
    await failVerb(place, 2, /no such verb/, "help", "fab");
  });

  it("exits with status 1 for an unknown cloud, also in the old tool's spelling", async () => {
    await failVerb(place, 1, /--cloud.*azure.*local, ec2, gce, rackspace/s, "up", "--cloud", "azure");
    await failVerb(place, 1, /--cloud.*azure.*local, ec2, gce, rackspace/s, "it:cloud=azure,distribution=centos7");
  });
});
