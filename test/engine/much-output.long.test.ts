// A module that prints a lot, on the real engine and a real builder, takes about as long as ssh with the same output.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** Outputs of the Login resource. */
interface Outputs {
  host: string;
  port: number;
  user: string;
  privateKey: { plaintext: string };
}

describe("a module that prints 370,000 lines", function () {
  this.timeout(600_000);
  let stack: TestStack;
  afterEach(() => stack.remove());

  it("takes at most twice as long as the same over ssh; if it fails, the error has the last lines", async () => {
    const print = "seq -f 'line %.0f of a module that prints a lot' 370000";
    const stages = { stage: "provisioned" };
    stack = await TestStack.create(scriptRecipe(`date +%s.%N >/etc/began; ${print}`), stages);
    await stack.up();

    const { deployment } = JSON.parse((await stack.succeed("stack", "export", "--show-secrets")).output) as {
      deployment: { resources: { type: string; urn: string; created: string; outputs: Outputs }[] };
    };
    const { outputs } = deployment.resources.find(({ type }) => type === "ci-images:index:Login")!;
    const run = deployment.resources.find(({ urn }) => urn.endsWith("-run"))!;
    const privateKey = JSON.parse(outputs.privateKey.plaintext) as string;
    await writeFile(join(stack.directory, "key"), privateKey, { mode: 0o600 });
    const options = [
      "-F",
      "none",
      "-i",
      join(stack.directory, "key"),
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "LogLevel=ERROR",
    ];
    const place = ["-o", `UserKnownHostsFile=${join(stack.directory, "known")}`, "-p", String(outputs.port)];
    const ssh = (command: string) =>
      execa("ssh", [...options, ...place, `${outputs.user}@${outputs.host}`, command], { maxBuffer: 1e9 });

    const took = Date.parse(run.created) / 1000 - Number((await ssh("cat /etc/began")).stdout);
    const began = performance.now();
    await ssh(print);
    const bySsh = (performance.now() - began) / 1000;
    assert.ok(took <= 2 * bySsh + 1, `the module took ${took} s, ssh ${bySsh} s`);

    await stack.recipe(scriptRecipe(`${print}; echo the last words; false`));
    const failed = await stack.failingUp();
    assert.match(failed.output, /line 370000 of a module that prints a lot\n.*the last words/);
  });
});
