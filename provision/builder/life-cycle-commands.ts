// Renders the commands for the builder besides modules and tests: the inventory before sealing, and sealing itself.
import type { BuilderCommand } from "./commands.ts";
import { runFolder } from "./builder-folders.ts";
import { renderProgram, runAsRoot } from "./runner.ts";
import { packageListScript, sealScript, type SealOptions } from "../seal/seal.ts";
import { searchedTexts, shortestSearched, tooShortToSearch } from "../seal/secret-patterns.ts";
import type { Secrets } from "../recipe/secrets.ts";
import { feed } from "../shell/shell.ts";

/** The parsed output of the inventory. */
export interface Inventory {
  /** The builder's machine-id; an image with the same one would be a clone of the builder. */
  machineId: string;
  /** The installed packages, sorted. */
  packages: { name: string; version: string }[];
}

const machineIdLabel = "machine-id:";

/** Renders the command that prints the builder's inventory, before sealing removes what it needs. */
export function inventoryCommand(): BuilderCommand {
  const script = `echo "${machineIdLabel} $(cat /etc/machine-id)"\n${packageListScript}`;
  return program("the inventory", script, 120, {});
}

/** Parses the output of {@link inventoryCommand}. */
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
 * Renders the sealing command, after which no login works.
 * @param secrets All secrets of the bake: none of their values may be in the image.
 */
export function sealCommand(options: Omit<SealOptions, "secretsFile">, secrets: Secrets): BuilderCommand {
  const texts = searchedTexts(Object.values(secrets));
  // In memory, so that it never gets into the image.
  const secretsFile = texts.length > 0 ? `${runFolder}/secret-values` : undefined;
  const gather = secretsFile ? `(umask 077; cat >${secretsFile}) ${feed(`${texts.join("\n")}\n`)}\n` : "";
  const short = tooShortToSearch(secrets).join(", ");
  const note = short
    ? `echo "not looked for in the image, as they have under ${shortestSearched} letters: ${short}"\n`
    : "";
  return program("sealing", note + gather + sealScript({ ...options, secretsFile }), 900, secrets);
}

function program(title: string, script: string, timeoutSeconds: number, secrets: Secrets): BuilderCommand {
  const failureCure =
    "No image was made. A builder whose sealing failed lets nobody in any more: `pulumi up` starts on a fresh one, `pulumi destroy` removes it.";
  const stdin = renderProgram({ title, script, timeoutSeconds, timeoutCure: "", failureCure, secrets });
  return { create: runAsRoot, stdin, isSecret: Object.keys(secrets).length > 0 };
}
