// `npm start`: from a fresh clone to a verified image on stack `local`. Sets up, bakes, and drops the builder's records.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { runTool, ToolProblem } from "./problem.mjs";
import { toolchainEnvironment } from "./environment.mjs";
import { setUp } from "./setup.mjs";
import { projectDirectory } from "./versions.mjs";

const stack = "local";

/**
 * Runs one `pulumi up` with its progress on the terminal.
 * @param {string} what For people: what this pass does.
 * @param {ReturnType<typeof toolchainEnvironment>} toolchain
 * @returns {Promise<number>} how long it took, in seconds.
 */
async function up(what, { cli, env }) {
  process.stdout.write(`\n== ${what}\n`);
  const start = performance.now();
  const args = ["up", "--stack", stack, "--yes", "--skip-preview", "--suppress-permalink"];
  const child = spawn(cli, args, { cwd: projectDirectory, env, stdio: "inherit" });
  // Ctrl-C reaches the CLI from the terminal, which ends the deployment in order; we have to wait for that.
  const patient = () => {};
  process.on("SIGINT", patient);
  const [code] = /** @type {[number | null]} */ (await once(child, "close"));
  process.off("SIGINT", patient);
  if (code !== 0)
    throw new ToolProblem(
      `pulumi up failed (exit status ${code}); what went wrong is above`,
      "mend it and run npm start again: it goes on where it stopped. npx pulumi destroy -s local takes everything away",
    );
  return (performance.now() - start) / 1000;
}

async function main() {
  await setUp("start");
  const toolchain = toolchainEnvironment(projectDirectory);
  const seconds = {
    bake: await up("baking: pulumi up", toolchain),
    // The builder is gone from this computer by now; the second pass no longer declares it, so the engine forgets it.
    drop: await up("dropping the builder's records: pulumi up", toolchain),
  };
  const outputs = execFileSync(toolchain.cli, ["stack", "output", "--stack", stack, "--json"], {
    cwd: projectDirectory,
    env: toolchain.env,
    encoding: "utf8",
  });
  process.stdout.write(`\n${outputs}`);
  process.stdout.write(`baked in ${seconds.bake.toFixed(1)} s, records dropped in ${seconds.drop.toFixed(1)} s\n`);
}

await runTool(main);
