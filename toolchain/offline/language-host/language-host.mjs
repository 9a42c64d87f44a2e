// A substitute for Pulumi's Node.js language host, for computers that can't download it; it is not a Go module that
// could be built. It only runs programs: it generates no code, links no packages and runs no plugins. If the official
// host is installed, it is used (toolchain/environment.mjs).
//
// The engine starts it as `pulumi-language-nodejs ENGINE-ADDRESS` and shows its output and the program's to the user.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import languageService from "@pulumi/pulumi/proto/language_grpc_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { serve, unary } from "../plugin-server.mjs";
import { installDependencies, programDependencies } from "./dependencies.mjs";
import { nodeOptions } from "./options.mjs";

/**
 * The running programs. The current engine runs one at a time, but the protocol doesn't guarantee that.
 * @type {Set<import("node:child_process").ChildProcess>}
 */
const programs = new Set();

/** The exit status of a program that has already reported its error; see @pulumi/pulumi/cmd/run. */
const bailStatus = 32;

/** How long an interrupted program may take to end by itself, in milliseconds; the same as in the official host. */
const graceTime = 5000;

const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));

/**
 * Runs the program and answers when it has ended.
 * @param {language.RunRequest} request
 * @returns {Promise<language.RunResponse>}
 */
async function run(request) {
  const info = request.getInfo();
  if (info === undefined) throw new Error("this engine is too old for the stand-in language host: no program info");
  const directory = info.getProgramDirectory();
  const response = new language.RunResponse();
  let options, runner;
  try {
    options = nodeOptions(info.getOptions()?.toJavaScript() ?? {});
    runner = createRequire(join(directory, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  } catch (error) {
    response.setError(
      /** @type {NodeJS.ErrnoException} */ (error).code === "MODULE_NOT_FOUND"
        ? "It looks like the Pulumi SDK has not been installed. Have you run npm ci?"
        : /** @type {Error} */ (error).message,
    );
    return response;
  }

  const status = await runNode([...options.arguments, runner, ...programArguments(request, info)], {
    ...process.env,
    ...options.environment,
    PULUMI_CONFIG: JSON.stringify(configuration(request)),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
  });
  if (status === bailStatus) response.setBail(true);
  else if (typeof status === "string") response.setError(`Program ended by signal ${status}`);
  else if (status !== 0) response.setError(`Program exited with non-zero exit code: ${status}`);
  return response;
}

/**
 * The arguments of @pulumi/pulumi/cmd/run, as the official host passes them, except `--sync`: only old SDKs, which
 * called the engine synchronously, need that proxy.
 * @param {language.RunRequest} request
 * @param {language.ProgramInfo} info
 */
function programArguments(request, info) {
  const options = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info.getRootDirectory(),
    stack: request.getStack(),
    pwd: info.getProgramDirectory(),
    parallel: String(request.getParallel()),
  };
  const given = Object.entries(options).filter(([, value]) => value);
  return [
    ...given.flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info.getEntryPoint(),
    ...request.getArgsList(),
  ];
}

/**
 * The stack's configuration with the SDK's keys: `project:name` becomes `project:config:name`.
 * @param {language.RunRequest} request
 */
function configuration(request) {
  /** @type {Record<string, string>} */
  const result = {};
  for (const [key, value] of request.getConfigMap().entries()) {
    const colon = key.indexOf(":");
    result[`${key.slice(0, colon)}:config:${key.slice(colon + 1)}`] = value;
  }
  return result;
}

/**
 * Runs node and passes its output on.
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<number | NodeJS.Signals>} the exit status, or the signal that ended it.
 */
function runNode(args, environment) {
  return new Promise((resolve, reject) => {
    // In its own process group, so that everything the program starts can be ended with it.
    const program = spawn(process.execPath, args, {
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    programs.add(program);
    program.stdout.pipe(process.stdout, { end: false });
    program.stderr.pipe(process.stderr, { end: false });
    program.once("error", reject);
    // At `close`, unlike at `exit`, all output has been passed on.
    program.once("close", (code, signal) => {
      programs.delete(program);
      resolve(signal ?? code ?? 0);
    });
  });
}

/**
 * Sends a signal to all running programs and everything they started.
 * @param {NodeJS.Signals} signal
 */
function endPrograms(signal) {
  for (const program of programs) {
    if (program.pid === undefined) continue;
    try {
      process.kill(-program.pid, signal);
    } catch (error) {
      // ESRCH: it has just ended.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
    }
  }
}

function cancel() {
  endPrograms("SIGINT");
  setTimeout(() => endPrograms("SIGKILL"), graceTime).unref();
}

await serve(
  languageService.LanguageRuntimeService,
  {
    handshake: unary(() => new language.LanguageHandshakeResponse()),
    // Empty, because the engine would try to download every listed plugin, which fails where this substitute is needed.
    // The engine looks for plugins on PATH when a resource needs them.
    getRequiredPlugins: unary(() => new language.GetRequiredPluginsResponse()),
    getRequiredPackages: unary(() => new language.GetRequiredPackagesResponse()),
    getPluginInfo: unary(() => {
      const info = new plugin.PluginInfo();
      info.setVersion("3.230.0+ci-images.stand-in");
      return info;
    }),
    about: unary(() => {
      const about = new language.AboutResponse();
      about.setExecutable(process.execPath);
      about.setVersion(process.version);
      about.getMetadataMap().set("language host", "the stand-in of ci-images, not Pulumi's own");
      return about;
    }),
    run: unary(run),
    getProgramDependencies: unary(programDependencies),
    installDependencies,
    runtimeOptionsPrompts: unary(() => new language.RuntimeOptionsResponse()),
    cancel: unary(() => {
      cancel();
      return new empty.Empty();
    }),
    runPlugin: (/** @type {grpc.ServerWritableStream<unknown, unknown>} */ call) =>
      call.emit("error", {
        code: grpc.status.UNIMPLEMENTED,
        details:
          "the stand-in language host of ci-images runs only programs; for a plugin in JavaScript install Pulumi's own",
      }),
  },
  () => endPrograms("SIGKILL"),
);
