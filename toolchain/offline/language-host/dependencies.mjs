// Lists a program's npm packages for `pulumi about`, and installs them for `pulumi install`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import { readJson } from "../../json.mjs";

/**
 * Lists the installed npm packages, from npm's own record of the installation.
 * @param {language.GetProgramDependenciesRequest} request
 */
export function programDependencies(request) {
  const directory = request.getInfo()?.getProgramDirectory() ?? ".";
  const lock = /** @type {{ packages: Record<string, { version?: string }> }} */ (
    readJson(join(directory, "package-lock.json"))
  );
  const manifest = /** @type {{ dependencies?: object, devDependencies?: object }} */ (
    readJson(join(directory, "package.json"))
  );
  const direct = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
  const response = new language.GetProgramDependenciesResponse();
  for (const [path, { version = "" }] of Object.entries(lock.packages)) {
    const name = path.replace(/^.*node_modules\//, "");
    const isDirect = path === `node_modules/${name}` && direct.has(name);
    if (!path.startsWith("node_modules/") || !(isDirect || request.getTransitivedependencies())) continue;
    const dependency = new language.DependencyInfo();
    dependency.setName(name);
    dependency.setVersion(version);
    response.addDependencies(dependency);
  }
  return response;
}

/**
 * Runs `npm ci` and passes its output on.
 * @param {grpc.ServerWritableStream<language.InstallDependenciesRequest, language.InstallDependenciesResponse>} call
 */
export function installDependencies(call) {
  const directory = call.request.getInfo()?.getProgramDirectory() ?? call.request.getDirectory();
  const npm = spawn("npm", ["ci"], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  const fail = (/** @type {string} */ details) => call.emit("error", { code: grpc.status.UNKNOWN, details });
  npm.stdout.on("data", (/** @type {Buffer} */ text) => {
    const response = new language.InstallDependenciesResponse();
    response.setStdout(text);
    call.write(response);
  });
  npm.stderr.on("data", (/** @type {Buffer} */ text) => {
    const response = new language.InstallDependenciesResponse();
    response.setStderr(text);
    call.write(response);
  });
  npm.once("error", (error) => fail(`npm could not be started: ${error.message}`));
  npm.once("close", (code) => (code === 0 ? call.end() : fail(`npm ci failed with exit status ${code}`)));
}
