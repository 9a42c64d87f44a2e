// The files of an image, and checks that they are unchanged.
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { sha256OfFile } from "./file-digest.ts";

/** A file of an image, in manifest.json. */
export interface ImageFile {
  /** Its name in the image's folder, e.g. `disk.qcow2`. */
  name: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
  /** When its content last changed, in milliseconds since 1970; for the quick check. */
  modified: number;
}

/** Reads a whole file and describes it. */
export async function describeFile(path: string, signal?: AbortSignal): Promise<ImageFile> {
  const sha256 = await sha256OfFile(path, signal);
  const { size, mtimeMs } = await stat(path);
  return { name: basename(path), bytes: size, sha256, modified: Math.floor(mtimeMs) };
}

/**
 * Checks that an image's files are unchanged.
 * @param directory The image's folder.
 * @param files Their descriptions in manifest.json.
 * @param check `full` reads every byte. `quick` reads only files whose modification time differs, because a copied
 *   image has new times and the same content.
 * @throws UserError naming every file that is missing or has other content.
 */
export async function verifyFiles(
  directory: string,
  files: readonly ImageFile[],
  check: "quick" | "full" = "full",
  signal?: AbortSignal,
): Promise<void> {
  const found = await Promise.all(files.map((file) => complaint(directory, file, check, signal)));
  const complaints = found.filter((one) => one !== undefined);
  if (complaints.length > 0) {
    const cure = `delete the folder ${directory}; the next \`pulumi up\` bakes the image again`;
    throw new UserError(...complaints.map((one) => ({ ...one, cure })));
  }
}

async function complaint(
  directory: string,
  file: ImageFile,
  check: "quick" | "full",
  signal?: AbortSignal,
): Promise<{ where: string; found: string; allowed?: string } | undefined> {
  const where = join(directory, file.name);
  const now = await stat(where).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (!now?.isFile()) return { where, found: "is missing" };
  if (now.size !== file.bytes) {
    return { where, found: `is corrupted: it has ${now.size} bytes`, allowed: `${file.bytes} bytes` };
  }
  if (check === "quick" && Math.floor(now.mtimeMs) === file.modified) return undefined;
  const sha256 = await sha256OfFile(where, signal);
  return sha256 === file.sha256
    ? undefined
    : { where, found: `is corrupted: its sha256 is ${sha256}`, allowed: file.sha256 };
}
