// Runs Pulumi's own installer: node download-pulumi.mjs VERSION FOLDER. It is a separate process so that it can have a
// time limit, and because loading the Automation API takes a second.
import automation from "@pulumi/pulumi/automation/index.js";
import { SemVer } from "semver";

const [version, root] = process.argv.slice(2);
try {
  await automation.PulumiCommand.install({ version: new SemVer(version), root });
} catch (error) {
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
  process.exitCode = 1;
}
