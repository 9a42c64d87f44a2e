// Runs the user's own scripts, for everything that no module does.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Runs scripts (bash, as root, stopping at the first command that fails)";
export const settingsRequired = true;

const script = { type: "string", minLength: 1 };

const entry = {
  anyOf: [
    { ...script, description: "The script.", examples: ["pip3 install --upgrade pip"] },
    {
      type: "object",
      additionalProperties: false,
      properties: {
        name: {
          type: "string",
          pattern: "^[^\\n]+$",
          description: "A title for the output.",
          examples: ["newest pip"],
        },
        script: { ...script, description: "The script itself.", examples: ["pip3 install --upgrade pip"] },
        source: {
          type: "string",
          minLength: 1,
          description:
            "A script file, relative to the recipe's folder. Its first line names the interpreter (#!/usr/bin/python3).",
          examples: ["scripts/warm-cache.sh"],
        },
      },
      oneOf: [{ required: ["script"] }, { required: ["source"] }],
    },
  ],
};

export const settings = {
  description:
    "One script or a list of scripts. They must be safe to run twice: a bake that failed resumes at the module that failed.",
  examples: ["timedatectl set-timezone UTC", [{ name: "warm the cache", source: "scripts/warm-cache.sh" }]],
  anyOf: [...entry.anyOf, { type: "array", minItems: 1, items: entry }],
};

/** One script of the setting `run`. */
export interface ScriptEntry {
  name?: string;
  script?: string;
  source?: string;
}

/** Records the scripts in order. @throws UserError if a source can't be read. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const given = settingsOf<string | ScriptEntry | (string | ScriptEntry)[]>(cfg, "run", []);
  for (const each of Array.isArray(given) ? given : [given]) {
    const { name, script = "", source } = typeof each === "string" ? { script: each } : each;
    if (name) root.run(`echo ${quote(`${name} ...`)}`);
    if (source === undefined) root.run(script);
    else runFile(root, source);
  }
}

function runFile(root: Root, source: string): void {
  const file = quote(root.upload(source, { isScript: true }));
  root.run(`chmod 0700 ${file}\n${file}`);
}
