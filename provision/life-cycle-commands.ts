// What runs on the builder beside modules and tests: the inventory before sealing, and sealing itself.
import type { BuilderCommand } from "./commands.ts";
import { runFolder } from "./builder-folders.ts";
import { renderProgram, runAsRoot } from "./runner.ts";
import { packageListScript, sealScript, type SealOptions } from "./seal/seal.ts";
import type { Secrets } from "./secrets.ts";

/** What the inventory prints, taken apart. */
export interface Inventory {
  /** The builder's machine-id; an image that has it too would be a clone of the builder. */
  machineId: string;
  /** The installed packages, sorted. */
  packages: { name: string; version: string }[];
}

const machineIdLabel = "machine-id:";

/** Renders the command that prints what is on the builder, before sealing removes what it needs for that. */
export function inventoryCommand(): BuilderCommand {
  const script = `echo "${machineIdLabel} $(cat /etc/machine-id)"\n${packageListScript}`;
  return program("the inventory", script, 120, {});
}

/** Takes apart what {@link inventoryCommand} printed. */
export function parseInventory(output: string): Inventory {
  const lines = output.split("\n");
  const machineId =
    lines
      .find((line) => line.startsWith(machineIdLabel))
      ?.slice(machineIdLabel.length)
      .trim() ?? "";
  const packages = lines
    .filter((line) => line.includes("\t"))
    .map((line) => line.split("\t"))
    .map(([name, version]) => ({ name, version }));
  return { machineId, packages };
}

/**
 * Renders the sealing command: the last one that can log in.
 * @param secrets All secrets of the bake: none of their values may be in the image.
 */
export function sealCommand(options: Omit<SealOptions, "secretsFile">, secrets: Secrets): BuilderCommand {
  const hasSecrets = Object.keys(secrets).length > 0;
  const secretsFile = hasSecrets ? `${runFolder}/secret-values` : undefined;
  // In memory, so it is no part of the image itself.
  const gather = hasSecrets
    ? `install -m 0600 /dev/null ${secretsFile}\nfor file in ${runFolder}/secrets/*; do grep -v '^$' "$file"; done >${secretsFile}\n`
    : "";
  return program("sealing", gather + sealScript({ ...options, secretsFile }), 900, secrets);
}

function program(title: string, script: string, timeoutSeconds: number, secrets: Secrets): BuilderCommand {
  const failureCure =
    "No image was made. A builder whose sealing failed lets nobody in any more: `pulumi up` starts on a fresh one, `pulumi destroy` removes it.";
  const stdin = renderProgram({ title, script, timeoutSeconds, timeoutCure: "", failureCure, secrets });
  return { create: runAsRoot, stdin, isSecret: Object.keys(secrets).length > 0 };
}
