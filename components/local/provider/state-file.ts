// Reads and writes the small JSON files in a machine's folder that record its state.
import { randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";

/**
 * The content of a state file; undefined if it does not exist or is not JSON. A crash or a full disk can leave a
 * truncated file: that machine counts as broken, and other commands must still work.
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

/** Writes a state file atomically, readable by its owner only. Steps that run side by side may write the same one. */
export async function writeState(file: string, content: object): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(content, undefined, 2), { mode: 0o600 });
  await rename(temporary, file);
}
