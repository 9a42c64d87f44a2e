// What Node loads before the program makes Pulumi's SDK load faster, and leaves out nothing that somebody uses.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { load } from "js-yaml";
import { parseArgsStringToArgv } from "string-argv";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** Runs a program in this project with the Node arguments of Pulumi.yaml. @returns what it prints, as JSON. */
async function run(program: string): Promise<unknown> {
  const project = await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8");
  const { nodeargs } = (load(project) as { runtime: { options: { nodeargs: string } } }).runtime.options;
  const words = [...parseArgsStringToArgv(nodeargs), "--input-type=module", "--eval", program];
  return JSON.parse((await execa(process.execPath, words, { cwd: projectDirectory })).stdout);
}

describe("before the program", function () {
  this.timeout(60_000);

  it("neither TypeScript's compiler nor npm's dependency solver is loaded with Pulumi's SDK", async () => {
    const loaded = await run(`
      import Module from "node:module";
      await import("./components/life-cycle/worker-images.ts");
      console.log(JSON.stringify(Object.keys(Module._cache)));`);
    const packages = new Set((loaded as string[]).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]));
    assert.ok(packages.has("@pulumi/pulumi"));
    for (const name of ["typescript", "@npmcli/arborist", "pacote"]) assert.ok(!packages.has(name), name);
  });

  it("both are loaded when they are used: a function can be serialized, and its packages are found", async () => {
    const seen = await run(`
      import * as pulumi from "@pulumi/pulumi";
      const { text } = await pulumi.runtime.serializeFunction(() => 6 * 7);
      const packages = await pulumi.runtime.computeCodePaths();
      console.log(JSON.stringify({ text, count: packages.size }));`);
    const { text, count } = seen as { text: string; count: number };
    assert.match(text, /6 \* 7/);
    assert.ok(count > 0);
  });
});
