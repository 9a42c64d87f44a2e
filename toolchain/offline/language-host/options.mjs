// Reads `runtime.options` of Pulumi.yaml as Pulumi's own Node.js language host does.
import { parseArgsStringToArgv } from "string-argv";

/**
 * @param {Record<string, unknown>} options
 * @returns {{ arguments: string[], environment: Record<string, string> }} for node.
 * @throws {Error} on a value of the wrong type, in the official host's words.
 */
export function nodeOptions(options) {
  const { typescript = true, tsconfig, nodeargs = "" } = options;
  if (typeof typescript !== "boolean") throw new Error("typescript option must be a boolean");
  if (tsconfig !== undefined && typeof tsconfig !== "string") throw new Error("tsconfigpath option must be a string");
  if (typeof nodeargs !== "string") throw new Error("nodeargs option must be a string");
  /** @type {Record<string, string>} */
  const environment = {};
  if (typescript) environment.PULUMI_NODEJS_TYPESCRIPT = "true";
  if (tsconfig) environment.PULUMI_NODEJS_TSCONFIG_PATH = tsconfig;
  return { arguments: parseArgsStringToArgv(nodeargs), environment };
}
