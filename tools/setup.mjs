// Sets up everything this project needs, on a fresh computer or an old one:
//
//   node tools/setup.mjs [--for start|test]
//
// Every step is skipped where it has nothing to do; what is done is said, with the reason. The user's own Pulumi wins
// over anything installed here. The first step needs nothing but Node, so this file imports nothing from npm.
import { performance } from "node:perf_hooks";
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runTool, ToolProblem } from "./problem.mjs";
import { installDebianTools } from "./setup/debian-tools.mjs";
import { installNpmPackages, linkOwnCommand } from "./setup/npm-packages.mjs";
import { installPulumiCli } from "./setup/pulumi-cli.mjs";
import { say } from "./setup/run.mjs";
import { prepareStack, prepareState } from "./setup/state.mjs";
import { oldestNode, projectDirectory } from "./versions.mjs";

/**
 * Does all of it.
 * @param {"start" | "test"} purpose `test` installs what only the tests need as well.
 * @param {NodeJS.ProcessEnv} [environment]
 * @throws {ToolProblem} where something is missing that may not be installed, with the command to run.
 */
export async function setUp(purpose, environment = process.env) {
  const start = performance.now();
  if (Number(process.versions.node.split(".")[0]) < oldestNode)
    throw new ToolProblem(
      `this is Node ${process.versions.node}; ${oldestNode} or newer is needed`,
      "install it from nodejs.org",
    );
  await installNpmPackages(projectDirectory);
  linkOwnCommand(projectDirectory);
  await installDebianTools(purpose, environment);
  await installPulumiCli(environment);
  prepareState(projectDirectory, environment);
  await prepareStack(projectDirectory, environment);
  say(`all is there (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

async function main() {
  const { values } = parseArgs({ options: { for: { type: "string", default: "start" } } });
  if (values.for !== "start" && values.for !== "test")
    throw new ToolProblem(`--for ${values.for}: there is no such purpose`, "--for start, or --for test");
  await setUp(values.for);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) await runTool(main);
