// Sets up everything this project needs:
//
//   node toolchain/setup.mjs [--for start|test|long-test|cloud]
//
// Prints what it does and why, and skips what is already done. A suitable Pulumi of the user takes precedence over
// ours. npm packages may not be installed yet, so this file imports none.
import { performance } from "node:perf_hooks";
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runTool, ToolProblem } from "./problem.mjs";
import { installDebianTools } from "./setup/debian-tools.mjs";
import { installNpmPackages } from "./setup/npm-packages.mjs";
import { installPulumiCli } from "./setup/pulumi-cli.mjs";
import { say } from "./setup/run.mjs";
import { localStack, prepareStack, prepareState, refuseForeignState } from "./setup/state.mjs";
import { isNodeSupported, nodeRange, projectDirectory } from "./versions.mjs";

/**
 * `start` is for baking on this computer; `test` and `long-test` add what the tests need; `cloud` is for stacks of
 * clouds and needs neither Debian packages nor root.
 */
const purposes = /** @type {const} */ (["start", "test", "long-test", "cloud"]);

/**
 * Runs all steps.
 * @param {typeof purposes[number]} purpose
 * @param {NodeJS.ProcessEnv} [environment]
 * @throws {ToolProblem} if something is missing that can't be installed, with the command to run.
 */
export async function setUp(purpose, environment = process.env) {
  const start = performance.now();
  const { node } = process.versions;
  if (!isNodeSupported(node))
    throw new ToolProblem(`this is Node ${node}; allowed: ${nodeRange}`, "install one of these from nodejs.org");
  refuseForeignState(projectDirectory, environment);
  await installNpmPackages(projectDirectory);
  if (purpose !== "cloud") await installDebianTools(purpose, environment);
  await installPulumiCli(environment);
  prepareState(projectDirectory, environment);
  if (purpose !== "cloud") await prepareStack(localStack, projectDirectory, environment);
  say(`done (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

async function main() {
  const { values } = parseArgs({ options: { for: { type: "string", default: "start" } } });
  const purpose = purposes.find((each) => each === values.for);
  if (purpose === undefined)
    throw new ToolProblem(`--for ${values.for}: no such purpose`, purposes.map((each) => `--for ${each}`).join(", "));
  await setUp(purpose);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) await runTool(main);
