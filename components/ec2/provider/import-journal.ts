// Records the progress of snapshot uploads on this computer, because AWS lists the blocks of completed snapshots only.
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { places } from "../../../provider/kit/cache-folders.ts";

/** The blocks sent in total, including those of the upload that this one resumes. */
export interface Sent {
  count: number;
  /** SHA256 over the checksums of the blocks, in order. */
  aggregate: string;
}

/** The record of a snapshot. */
export interface NotedImport {
  /** Identifies the disk's content. */
  content: string;
  /** How many of the disk's first data blocks were uploaded. */
  done: number;
  /** All its blocks, once they are uploaded. AWS may have been told to complete the snapshot. */
  sent?: Sent;
  /** Whether all blocks are uploaded and AWS has confirmed completion. */
  isComplete: boolean;
}

/** Replaces the record atomically. */
export async function noteImport(snapshot: string, noted: NotedImport): Promise<void> {
  const file = await fileOf(snapshot);
  const temporary = `${file}.${randomBytes(3).toString("hex")}`;
  await writeFile(temporary, JSON.stringify(noted));
  await rename(temporary, file);
}

/** @returns undefined if this computer has no record of the snapshot. */
export async function notedImport(snapshot: string): Promise<NotedImport | undefined> {
  try {
    return JSON.parse(await readFile(await fileOf(snapshot), "utf8")) as NotedImport;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function forgetImport(snapshot: string): Promise<void> {
  await rm(await fileOf(snapshot), { force: true });
}

async function fileOf(snapshot: string): Promise<string> {
  const folder = join((await places()).root, "imports");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${snapshot}.json`);
}
