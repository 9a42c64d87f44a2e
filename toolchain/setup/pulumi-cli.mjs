// Installs the Pulumi CLI if there is no suitable one: from Pulumi's download, else built from its Go module.
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { execFileSync, spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { cliVersion, findCli, findOnPath, officialClis, suits, wrappedClis } from "../environment.mjs";
import { ToolProblem } from "../problem.mjs";
import { compareVersions, installedCli, projectDirectory, pulumiHome, pulumiVersion } from "../versions.mjs";
import { run, say, withLock } from "./run.mjs";

/** The oldest Go that can download the newer one that go.mod requires. */
const oldestGo = "1.21";

/** Time limit for Pulumi's download of about 100 MB, in milliseconds. */
const downloadTime = 600_000;

/**
 * Installs the CLI if there is none.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<string>} the CLI's path.
 */
export async function installPulumiCli(environment) {
  const found = findCli(environment);
  if (found !== undefined) return found;
  return withLock(join(pulumiHome(environment), "ci-images-setup.lock"), async () => {
    const meanwhile = findCli(environment);
    if (meanwhile !== undefined) return meanwhile; // The setup that we waited for has installed it.
    for (const cli of officialClis(environment)) {
      const version = cliVersion(cli);
      if (version === undefined) say(`${cli} does not run, so it is not used`);
      else if (!suits(version)) say(`${cli} is Pulumi ${version}; this project needs ${pulumiVersion} or a later 3.x`);
    }
    for (const wrapper of wrappedClis(environment))
      say(`${wrapper} is a script, so it is not used; put the CLI itself on PATH`);
    const failure = download(environment);
    if (failure !== undefined) {
      say(`Pulumi's download failed: ${failure}`);
      await build(environment);
    }
    return installedCli(environment);
  });
}

/**
 * Runs Pulumi's own installer, through its Automation API. It fills a temporary folder, which is renamed when complete,
 * so that the remains of a crash are never used.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string | undefined} why it failed; undefined on success.
 */
function download(environment) {
  say(`downloading the Pulumi CLI ${pulumiVersion} from Pulumi`);
  const target = dirname(dirname(installedCli(environment)));
  mkdirSync(dirname(target), { recursive: true });
  const partial = mkdtempSync(`${target}.partial-`);
  try {
    const installer = join(projectDirectory, "toolchain/setup/download-pulumi.mjs");
    const { status, stderr, error } = spawnSync(process.execPath, [installer, pulumiVersion, partial], {
      encoding: "utf8",
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
      timeout: downloadTime,
    });
    if (error !== undefined) return error.message;
    if (status !== 0) return stderr.trim() || `exit status ${status}`;
    const problem = whyNotThis(join(partial, "bin", "pulumi"));
    if (problem !== undefined) return problem;
    rmSync(target, { recursive: true, force: true });
    renameSync(partial, target);
    return undefined;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/**
 * Builds the CLI from the Go module that toolchain/offline/pulumi-cli pins.
 * @param {NodeJS.ProcessEnv} environment
 */
async function build(environment) {
  requireGo(environment);
  say(`building the Pulumi CLI ${pulumiVersion} from its Go module instead; this takes 2 to 5 minutes, once`);
  const target = installedCli(environment);
  mkdirSync(dirname(target), { recursive: true });
  const partial = mkdtempSync(join(dirname(target), ".partial-"));
  try {
    const binary = join(partial, "pulumi");
    const version = `github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pulumiVersion}`;
    await run(
      "go",
      ["build", "-o", binary, "-ldflags", `-s -w -X ${version}`, "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
      {
        cwd: join(projectDirectory, "toolchain/offline/pulumi-cli"),
        env: { ...environment, GOFLAGS: "-mod=readonly", GOWORK: "off" },
      },
    );
    const problem = whyNotThis(binary);
    if (problem !== undefined) throw new ToolProblem(problem);
    renameSync(binary, target);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** @param {NodeJS.ProcessEnv} environment */
function requireGo(environment) {
  const cure = `install Go ${oldestGo} or newer (go.dev/dl) and put it on PATH, or install the Pulumi CLI (pulumi.com/docs/install)`;
  if (findOnPath("go", environment).length === 0)
    throw new ToolProblem("the Pulumi CLI could not be downloaded, and there is no Go to build it with", cure);
  const answer = execFileSync("go", ["env", "GOVERSION"], { encoding: "utf8", env: { ...environment, GOWORK: "off" } });
  const version = answer.trim().replace(/^go/, "");
  if (compareVersions(version, oldestGo) < 0)
    throw new ToolProblem(`Go ${version} is too old to build the Pulumi CLI`, cure);
}

/**
 * @param {string} cli
 * @returns {string | undefined} what is wrong with it.
 */
function whyNotThis(cli) {
  const { status, stdout, stderr, error } = spawnSync(cli, ["version"], { encoding: "utf8", timeout: 60_000 });
  if (error !== undefined) return `${cli} does not run: ${error.message}`;
  if (status !== 0) return `${cli} does not run: ${stderr}`;
  const version = stdout.trim();
  return version === `v${pulumiVersion}` ? undefined : `${cli} says it is ${version}, not v${pulumiVersion}`;
}
