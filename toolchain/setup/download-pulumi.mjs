// Runs Pulumi's own installer: node download-pulumi.mjs VERSION FOLDER. A separate process, because only it needs the
// Automation API, which takes a second to load, and so that it can have a time limit.
import automation from "@pulumi/pulumi/automation/index.js";
import { SemVer } from "semver";

const [version, root] = process.argv.slice(2);
try {
  await automation.PulumiCommand.install({ version: new SemVer(version), root });
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
  process.exitCode = 1;
}
