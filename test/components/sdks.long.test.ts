// A cloud's SDK costs seconds and hundreds of megabytes, so the program loads only the one that the stack needs.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { findCloud } from "../../components/clouds.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** Prints the cloud SDKs that the process has loaded, as JSON. */
const listing = `
  const sdks = Object.keys(Module._cache).flatMap((path) => /node_modules\\/@pulumi\\/(aws|gcp|openstack)\\//.exec(path)?.[1] ?? []);
  console.log(JSON.stringify([...new Set(sdks)]));
`;

async function sdksAfter(module: string): Promise<string[]> {
  const [program, opening] = [join(projectDirectory, "index.ts"), fileURLToPath(module)].map((path) =>
    JSON.stringify(path),
  );
  const input = `
    import { Module } from "node:module";
    import { importFile, importProgram } from "./common/import-file.mjs";
    await importProgram(${program});
    await importFile(${opening});
    ${listing}`;
  const { stdout } = await execa("node", ["--input-type=module", "-"], { cwd: projectDirectory, input });
  return JSON.parse(stdout) as string[];
}

describe("the program", function () {
  this.timeout(120_000);
  const expected = { local: [], ec2: ["aws"], gce: ["gcp"], rackspace: ["openstack"], openstack: ["openstack"] };
  for (const [cloud, sdks] of Object.entries(expected)) {
    it(`on stack ${cloud} loads ${sdks.length > 0 ? `only the SDK of ${sdks.join()}` : "no cloud SDK"}`, async () => {
      assert.deepEqual(await sdksAfter(findCloud(cloud).module), sdks);
    });
  }
});
