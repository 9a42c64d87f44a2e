// What Node loads before the program makes Pulumi's SDK load faster, and leaves out nothing that somebody uses.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { load } from "js-yaml";
import { parseArgsStringToArgv } from "string-argv";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** Runs a program in this project with the Node arguments of Pulumi.yaml. @returns what it prints, as JSON. */
async function run(program: string, env: Record<string, string> = {}): Promise<unknown> {
  const project = await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8");
  const { nodeargs } = (load(project) as { runtime: { options: { nodeargs: string } } }).runtime.options;
  const words = [...parseArgsStringToArgv(nodeargs), "--input-type=module", "--eval", program];
  return JSON.parse((await execa(process.execPath, words, { cwd: projectDirectory, env })).stdout);
}

describe("before the program", function () {
  this.timeout(60_000);

  it("what the SDK needs only to serialize functions, trace, or run Pulumi itself is not loaded with it", async () => {
    const loaded = await run(`
      import Module from "node:module";
      await import("@pulumi/pulumi/cmd/run/tracing.js");
      const { importFile } = await import("./common/import-file.mjs");
      await importFile(${JSON.stringify(join(projectDirectory, "components/life-cycle/worker-images.ts"))});
      console.log(JSON.stringify(Object.keys(Module._cache)));`);
    const packages = new Set((loaded as string[]).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]));
    assert.ok(packages.has("@pulumi/pulumi"));
    const functions = ["typescript", "@npmcli/arborist", "pacote", "normalize-package-data"];
    const others = ["@opentelemetry/sdk-trace-node", "@opentelemetry/core", "got", "source-map-support"];
    for (const name of [...functions, ...others]) assert.ok(!packages.has(name), name);
  });

  it("the SDK turns on the debugger only to serialize a function", async () => {
    const seen = await run(`
      import { createRequire } from "node:module";
      import { Session } from "node:inspector";
      import * as pulumi from "@pulumi/pulumi";
      const connected = [];
      const { connect } = Session.prototype;
      Session.prototype.connect = function () { connected.push(1); connect.call(this); };
      // As cmd/run does before it loads the program.
      const require = createRequire(import.meta.resolve("@pulumi/pulumi/cmd/run/index.js"));
      await require("../../runtime/closure/v8Hooks").isInitializedAsync();
      const before = connected.length;
      const { variable } = { variable: 42 };
      const { text } = await pulumi.runtime.serializeFunction(() => variable);
      console.log(JSON.stringify([before, connected.length, text.includes("42")]));`);
    assert.deepEqual(seen, [0, 1, true]);
  });

  it("a function can be serialized, and its packages are found", async () => {
    const seen = await run(`
      import * as pulumi from "@pulumi/pulumi";
      const { text } = await pulumi.runtime.serializeFunction(() => 6 * 7);
      const packages = await pulumi.runtime.computeCodePaths();
      console.log(JSON.stringify({ text, count: packages.size }));`);
    const { text, count } = seen as { text: string; count: number };
    assert.match(text, /6 \* 7/);
    assert.ok(count > 0);
  });

  it("spans are recorded once tracing has been started", async () => {
    const seen = await run(`
      import tracing from "@pulumi/pulumi/cmd/run/tracing.js";
      tracing.start("http://127.0.0.1:9/api/v2/spans");
      const span = tracing.newSpan("a span");
      console.log(JSON.stringify({ isRecording: span.isRecording(), name: span.name }));
      process.exit();`);
    assert.deepEqual(seen, { isRecording: true, name: "a span" });
  });

  it("the Automation API is there for a program that uses it", async () => {
    const seen = await run(`
      import * as pulumi from "@pulumi/pulumi";
      console.log(JSON.stringify(pulumi.automation.fullyQualifiedStackName("a", "b", "c")));`);
    assert.equal(seen, "a/b/c");
  });

  it("the SDK makes stack traces of promises only for PULUMI_DEBUG_PROMISE_LEAKS, and none of resources", async () => {
    const program = `
      import * as pulumi from "@pulumi/pulumi";
      import debuggable from "@pulumi/pulumi/runtime/debuggable.js";
      const promise = Promise.resolve();
      await debuggable.debuggablePromise(promise, "a promise");
      const { _debugCtx, _debugStackTrace } = promise;
      const frames = pulumi.Resource.stackTrace(0).length;
      const { stack } = new Error("own");
      console.log(JSON.stringify([_debugCtx, _debugStackTrace, frames, stack.split("\\n").length > 1]));`;
    assert.deepEqual(await run(program), ["a promise", "Error", 0, true]);
    const [, trace] = (await run(program, { PULUMI_DEBUG_PROMISE_LEAKS: "1" })) as string[];
    assert.match(trace, /^Error\n +at /);
  });

  it("stack traces name the lines of TypeScript files that users wrote, with the SDK loaded", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      const file = join(folder, "fails.mts");
      await writeFile(file, `interface Unused {\n  a: string;\n}\n\nthrow new Error("here" as string);\n`);
      const seen = await run(`
        import { createRequire } from "node:module";
        createRequire(import.meta.resolve("@pulumi/pulumi/cmd/run/index.js"))("source-map-support/register");
        const { importFile } = await import("./common/import-file.mjs");
        const { stack } = await importFile(${JSON.stringify(file)}).catch((error) => error);
        console.log(JSON.stringify(stack));`);
      assert.match(String(seen), /fails\.mts:5:7/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
