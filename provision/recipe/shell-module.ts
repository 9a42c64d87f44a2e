// Modules written as shell scripts: `modules/NAME.sh`. The script runs as root under `bash -euo pipefail`, with
//
//   MODULE, DISTRIBUTION, LOGIN_USER   the module's name, `debian12`, `debian`
//   CFG_<KEY>      one for each key of the module's settings, in capitals with `_` for other characters: a text
//                  unchanged, a number as in JSON (recipes with another spelling are refused), a list of these with
//                  one line each, anything else as JSON
//   CFG            the settings in the same forms, if they are not a mapping
//   CFG_FILE       the path of a JSON file with the module's settings; as in all JSON here, a secret is
//                  {"secretFile": PATH}
//   SECRET_<NAME>  the path of a file with that secret, for each one named by a line `# secrets: NAME, NAME`
//
// A script gets only its module's own settings: otherwise its hash would change with the settings of others. The first
// comment line is the description.
import { basename, extname } from "node:path";
import type { BuildConfiguration, ModuleFile, Root } from "../module.ts";
import { runFolder } from "../builder/builder-folders.ts";
import { asJson } from "../shell/secret-text.ts";
import { feed, quote } from "../shell/shell.ts";

/**
 * Makes a module from a shell script.
 * @param file Its path, from which the module gets its name.
 * @param text Its text; Windows line ends are allowed.
 */
export function shellModule(file: string, text: string): ModuleFile {
  const script = text.replaceAll("\r\n", "\n");
  const comments = script.split("\n").filter((line) => /^#(?!!)/.test(line));
  const description = comments[0]?.replace(/^#+\s*/, "") ?? `Runs ${basename(file)}`;
  const secrets = comments.flatMap((line) => /^#\s*secrets:\s*(.*)$/.exec(line)?.[1]?.split(/[\s,]+/) ?? []);
  return {
    description,
    modify(name: string, root: Root, cfg: BuildConfiguration) {
      const variables = {
        MODULE: basename(file, extname(file)),
        DISTRIBUTION: root.distribution.id,
        LOGIN_USER: root.loginUser,
        ...settingVariables(cfg[name]),
        ...Object.fromEntries(secrets.filter(Boolean).map((each) => [`SECRET_${each}`, root.secret(each)])),
        CFG_FILE: `${runFolder}/settings.json`,
      };
      const exports = Object.entries(variables).map(([key, value]) => `export ${key}=${quote(value)}`);
      const settings = `${asJson(cfg[name], 2)}\n`;
      root.run(
        [...exports, `install -d -m 0700 ${runFolder}`, `cat >"$CFG_FILE" ${feed(settings)}`, script].join("\n"),
      );
    },
  };
}

function settingVariables(settings: unknown): Record<string, string> {
  if (settings === undefined || settings === null) return {};
  if (typeof settings !== "object" || Array.isArray(settings)) return { CFG: plainText(settings) };
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      return [`CFG_${key.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`, plainText(value)];
    }),
  );
}

function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  const isPlainList = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return isPlainList ? value.map(plainText).join("\n") : asJson(value);
}
