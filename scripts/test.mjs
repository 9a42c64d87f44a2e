// `npm test`: sets up everything, then runs the tests and, at the same time, the type check, lint and format check. A
// failure doesn't stop the rest.
//
//   node scripts/test.mjs               the quick tests, for every few edits
//   node scripts/test.mjs --ci          those of CI, too (*.ci.test.ts)
//   node scripts/test.mjs --long        only the long tests (*.long.test.ts)
//   node scripts/test.mjs FILE...       only these test files
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { runTool } from "../toolchain/problem.mjs";
import { setUp } from "../toolchain/setup.mjs";
import { projectDirectory } from "../toolchain/versions.mjs";

/** @typedef {{ name: string, command: string[] }} Stage */

/** Tests that would make `npm test` too slow to run often, such as the boot of an image. CI runs them before a landing. */
const ciTests = "test/**/*.ci.test.ts";

/** Tests that are too slow even for CI, such as whole bakes on the test clouds. Run them before a release. */
const longTests = "test/**/*.long.test.ts";

const programFolders = ["index.ts", "cli", "common", "components", "provider", "provision", "scripts", "toolchain"];

/**
 * The checks besides the tests. Each one caches what it has checked, so that a second run checks only changes. CI has no
 * cache and checks everything.
 * @returns {Stage[]}
 */
function checks() {
  return [
    { name: "types (tsc)", command: ["tsc", "--build", ...(hasNewPackages() ? ["--force"] : [])] },
    { name: "lint (eslint)", command: ["eslint", ...cached("eslint"), "."] },
    // dependency-cruiser.config.mjs says which file may import which.
    {
      name: "imports (dependency-cruiser)",
      command: [
        "depcruise",
        ...["--config", "dependency-cruiser.config.mjs"],
        ...["--cache", ".cache/imports", "--cache-strategy", "content"],
        ...programFolders,
      ],
    },
    { name: "format (prettier)", command: ["prettier", "--check", "--log-level", "warn", ...cached("prettier"), "."] },
  ];
}

/** Whether packages were installed after the last type check, which by itself looks only at our own files. */
function hasNewPackages() {
  const [checked, installed] = [".cache/types.json", "node_modules/.package-lock.json"].map(
    (name) => statSync(join(projectDirectory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return installed > checked;
}

/** @param {string} name */
function cached(name) {
  return ["--cache", "--cache-strategy", "content", "--cache-location", `.cache/${name}`];
}

/** @typedef {{ name: string, passed: boolean, seconds: number, output: string }} Outcome */

/**
 * Runs one stage.
 * @param {Stage} stage
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} isShown Whether its output is shown while it runs, not at its end.
 * @returns {Promise<Outcome>}
 */
async function runStage({ name, command: [program, ...args] }, env, isShown) {
  if (isShown) process.stdout.write(`\n== ${name}\n`);
  const start = performance.now();
  const child = spawn(program, args, { cwd: projectDirectory, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (/** @type {Buffer} */ text) => {
      output += text.toString("utf8");
      if (isShown) process.stdout.write(text);
    });
  }
  /** @type {number | null} */
  const code = await new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  const seconds = (performance.now() - start) / 1000;
  const end = `== ${name}: ${code === 0 ? "passed" : "FAILED"} in ${seconds.toFixed(1)} s\n`;
  process.stdout.write(isShown ? end : `\n${output}${end}`);
  return { name, passed: code === 0, seconds, output };
}

/**
 * Runs the checks one after the other.
 * @param {NodeJS.ProcessEnv} env
 */
async function runChecks(env) {
  const outcomes = [];
  for (const check of checks()) outcomes.push(await runStage(check, env, false));
  return outcomes;
}

/**
 * Mocha's count of tests, from its last lines: `  12 passing (3s)`.
 * @param {string} output
 * @param {"passing" | "failing" | "pending"} kind
 */
function count(output, kind) {
  // eslint-disable-next-line no-control-regex -- colours, where the output is a terminal's
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const lines = [...plain.matchAll(new RegExp(`^  (\\d+) ${kind}`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}

async function main() {
  const isLong = process.argv[2] === "--long";
  const isCi = process.argv[2] === "--ci";
  const files = isLong || isCi ? [] : process.argv.slice(2);
  await setUp(isLong || files.some((file) => file.endsWith(".long.test.ts")) ? "long-test" : "test");
  const PATH = [join(projectDirectory, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH };
  // Tests often wait for a machine, so more files run at a time than there are processors.
  const sideBySide = ["--parallel", "--jobs", String(availableParallelism() + 2)];
  // The longest files come first, so that none of them runs alone at the end. Those that only call functions come last,
  // because they fill the memory of mocha's processes: a large process takes much longer to start another one.
  const inOrder = [
    ...["engine/*", "components/local/**/*", "provision/**/*", "!(engine|components|provision)/**/*"],
    ...["components/!(local)/**/*", "components/*"],
  ];
  const ignored = [longTests, ...(isCi ? [] : [ciTests])].flatMap((tests) => ["--ignore", tests]);
  const quick = [...ignored, ...inOrder.map((under) => `test/${under}.test.ts`)];
  const long = ["field-cases", "engine", "!(field-cases|engine)/**"].map((under) => `test/${under}/*.long.test.ts`);
  const mocha = ["mocha", ...(files.length > 0 ? files : [...sideBySide, ...(isLong ? long : quick)])];
  const [checked, tests] = await Promise.all([
    isLong || files.length > 0 ? [] : runChecks(env),
    runStage({ name: "tests (mocha)", command: mocha }, env, true),
  ]);
  const results = [...checked, tests];
  const [passed, failed, pending] = /** @type {const} */ (["passing", "failing", "pending"]).map((kind) =>
    count(tests.output, kind),
  );
  // For mocha that is a success: a wrong title after -g, or an interruption.
  const isEmpty = tests.passed && passed + failed + pending === 0;
  if (isEmpty) tests.passed = false;
  process.stdout.write("\n");
  for (const { name, passed: well, seconds } of results)
    process.stdout.write(`${well ? "passed" : "FAILED"}  ${seconds.toFixed(1).padStart(6)} s  ${name}\n`);
  if (isEmpty) process.stdout.write("no test ran: no title matches, or mocha was interrupted\n");
  if (pending > 0) process.stdout.write(`${pending} tests were skipped\n`);
  const bad = results.filter(({ passed: well }) => !well);
  // A stage that fails without a failing test, such as the type check, counts as one failure.
  const failures = failed + bad.filter((result) => result !== tests || failed === 0).length;
  process.stdout.write(`${passed} passed, ${failures} failed\n`);
  if (bad.length > 0) process.exitCode = 1;
}

await runTool(main);
