// `npm start`: from a fresh clone to a verified image on stack `local`. Sets up everything, bakes, and drops the
// builder's records.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseJson, readJson } from "../toolchain/json.mjs";
import { runTool, ToolProblem } from "../toolchain/problem.mjs";
import { toolchainEnvironment } from "../toolchain/environment.mjs";
import { setUp } from "../toolchain/setup.mjs";
import { localStack as stack } from "../toolchain/setup/state.mjs";
import { eventLogEnvironment, followSteps } from "./step-times.mjs";
import { projectDirectory } from "../toolchain/versions.mjs";

/**
 * Runs one `pulumi up` with its progress on the terminal.
 * @param {string} what What this run does, for people.
 * @param {ReturnType<typeof toolchainEnvironment>} toolchain
 * @returns {Promise<{ seconds: number, steps: import("./step-times.mjs").Step[] }>} its duration, and that of its
 *   steps.
 */
async function up(what, { cli, env }) {
  process.stdout.write(`\n== ${what}\n`);
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "ci-images-start-"));
  const log = join(folder, "events");
  const args = ["up", "--stack", stack, "--yes", "--skip-preview", "--suppress-permalink", "--event-log", log];
  const child = spawn(cli, args, { cwd: projectDirectory, env: { ...env, ...eventLogEnvironment }, stdio: "inherit" });
  // Ctrl-C on the terminal reaches the CLI, too, which ends the deployment cleanly. We wait for that.
  const patient = () => {};
  process.on("SIGINT", patient);
  const closed = once(child, "close");
  try {
    const steps = await followSteps(log, closed);
    const code = /** @type {(number | null)[]} */ (await closed)[0];
    if (code !== 0)
      throw new ToolProblem(
        `pulumi up failed (exit status ${code}); the cause is above`,
        "fix it and run `npm start` again: it continues where it stopped; to remove everything: `npx pulumi destroy -s local`",
      );
    return { steps, seconds: (performance.now() - start) / 1000 };
  } finally {
    process.off("SIGINT", patient);
    rmSync(folder, { recursive: true });
  }
}

/** @typedef {{ images?: { local?: Record<string, Record<string, string>> } }} Outputs */

/**
 * Prints the images and their proofs.
 * @param {Record<string, Record<string, string>>} images The images in the stack's output, by distribution.
 */
function describeImages(images) {
  for (const [distribution, image] of Object.entries(images)) {
    const proof = /** @type {{ how: string, checks: string[] }} */ (readJson(join(image.path, "proof.json")));
    process.stdout.write(`
image     ${image.disk}
          for ${distribution}, with manifest.json and proof.json beside it
size      ${(Number(image.bytes) / 2 ** 20).toFixed(0)} MiB
sha256    ${image.sha256}
recipe    ${image.recipe}
verified  ${proof.checks.length} checks on a machine booted from it (${proof.how}):
${proof.checks.map((line) => `            ${line.replace(/^ok - /, "")}`).join("\n")}
`);
  }
}

/**
 * Refuses computers without Linux and users other than root, before anything is installed or written.
 * @throws {ToolProblem}
 */
function requireRoot() {
  const elsewhere = "a cloud's stack needs neither: npm ci && npx pulumi up -s ec2 (docs/hosts.md)";
  if (process.platform !== "linux")
    throw new ToolProblem(`the stack ${stack} bakes on Linux, and this is ${process.platform}`, elsewhere);
  const user = process.getuid?.();
  if (user === 0) return;
  // sudo has its own PATH and does not find a Node in somebody's home.
  const isFoundBySudo = ["/usr/local/bin", "/usr/bin", "/bin"].includes(dirname(process.execPath));
  throw new ToolProblem(
    `the stack ${stack} needs root, because its builders are containers; you are user ${user}`,
    `${isFoundBySudo ? "sudo npm start" : 'sudo env "PATH=$PATH" npm start'}; ${elsewhere}`,
  );
}

/**
 * Refuses settings with which `pulumi up` makes no image. The verbs write them: `destroy` sets the stage none.
 * @throws {ToolProblem}
 */
async function requireImageStage() {
  // Setup has just installed it.
  const { parseDocument } = await import("yaml");
  const file = `Pulumi.${stack}.yaml`;
  const path = join(projectDirectory, file);
  // Pulumi itself reports a file that is not YAML.
  const settings = parseDocument(existsSync(path) ? readFileSync(path, "utf8") : "");
  for (const [key, baking] of [
    ["ci-images:stage", "image"],
    ["ci-images:power", "on"],
  ]) {
    const value = /** @type {string} */ (settings.getIn(["config", key]) ?? baking);
    if (value !== baking)
      throw new ToolProblem(
        `${file}: ${key} is ${value}, so this would make no image`,
        "./ci-images it --stack local, which resets the setting and makes the image",
      );
  }
}

async function main() {
  requireRoot();
  await setUp("start");
  await requireImageStage();
  const toolchain = toolchainEnvironment(projectDirectory);
  const bake = await up("baking: pulumi up", toolchain);
  // The builder is gone. The second run no longer declares it, so the engine drops its records.
  const drop = await up("dropping the builder's records: pulumi up", toolchain);
  const outputs = execFileSync(toolchain.cli, ["stack", "output", "--stack", stack, "--json"], {
    cwd: projectDirectory,
    env: toolchain.env,
    encoding: "utf8",
  });
  describeImages(/** @type {Outputs} */ (parseJson(outputs)).images?.local ?? {});
  const made = bake.steps.filter(
    ({ operation, type }) => operation.startsWith("create") && !/^pulumi:|KeyPair/.test(type),
  );
  process.stdout.write("\n");
  if (made.length === 0) process.stdout.write("nothing was baked: the image is up to date\n");
  for (const { name, seconds } of made) process.stdout.write(`${seconds.toFixed(1).padStart(8)} s  ${name}\n`);
  process.stdout.write(`${bake.seconds.toFixed(1).padStart(8)} s  whole bake\n`);
  process.stdout.write(`${drop.seconds.toFixed(1).padStart(8)} s  dropping the builder's records\n`);
}

await runTool(main);
