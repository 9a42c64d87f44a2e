// The small JSON files in a machine's folder that say what state it is in.
import { readFile, rename, writeFile } from "node:fs/promises";

/**
 * What a state file says; undefined when it does not exist, or is no JSON. The latter is left by a crash of the computer or a full disk,
 * and must not keep every other command from its work: the machine then counts as broken.
 */
export async function readState<T>(file: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** Writes a state file for its owner only, in one step: whoever reads it sees the old content or the new. */
export async function writeState(file: string, content: object): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(content, undefined, 2), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
