// The AWS SDK's warning about Node's version is for maintainers; the engine would show it to users.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { projectDirectory } from "../../toolchain/versions.mjs";

describe("the AWS SDK", function () {
  this.timeout(60_000);

  it("prints no warning about Node's version, neither for clients nor for the region lookup", async () => {
    const client = pathToFileURL(join(projectDirectory, "components/ec2/provider/client.ts")).href;
    const script = `
      const { configuredRegion, ec2, ssm } = await import(${JSON.stringify(client)});
      console.log(await configuredRegion());
      delete process.env.AWS_REGION;
      await configuredRegion().catch(({ message }) => console.log(message));
      await Promise.all([ec2("eu-central-1"), ssm("eu-central-1")]);`;
    const env: NodeJS.ProcessEnv = { ...process.env, AWS_REGION: "eu-west-1", AWS_CONFIG_FILE: "/nonexistent" };
    for (const name of ["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) {
      delete env[name];
    }
    const words = ["--import", "tsx", "--input-type=module", "--eval", script];
    const { stdout, stderr } = await execa(process.execPath, words, { cwd: projectDirectory, env, extendEnv: false });
    assert.match(stdout, /^eu-west-1\n.*ci-images:ec2\.region/s);
    assert.equal(stderr, "");
  });

  it("is locked to versions that run on Node 20", async () => {
    const lock = JSON.parse(await readFile(join(projectDirectory, "package-lock.json"), "utf8")) as {
      packages: Record<string, { engines?: { node?: string } }>;
    };
    const wanted = Object.entries(lock.packages)
      .filter(([path]) => /^node_modules\/@(aws-sdk|smithy)\//.test(path))
      .map(([path, { engines }]) => ({ path, node: engines?.node }));
    assert.ok(wanted.length > 10);
    const newer = wanted.filter(({ node = "" }) => !/^>=(1\d|20)(\.0)*$/.test(node));
    assert.deepEqual(newer, []);
  });
});
