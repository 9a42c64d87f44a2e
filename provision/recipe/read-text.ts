// Reads users' text files, and refuses invalid UTF-8 with its position.
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { UserError } from "../../common/user-error.ts";

/**
 * Reads a UTF-8 file, without its byte order mark.
 * @param allowed The expected kind of file, for the message: `a YAML file`.
 * @throws UserError if it can't be read, or is not UTF-8, with the first wrong byte and its position.
 */
export function readText(file: string, allowed: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UserError({ where: file, found: `cannot be read (${(error as Error).message})`, allowed });
  }
  if (isUtf8(bytes)) return bytes.toString("utf8").replace(/^\uFEFF/, "");
  const before = validStart(bytes);
  const line = before.toString("utf8").split("\n").length;
  const offset = before.length;
  const byte = (bytes[offset] ?? 0).toString(16).padStart(2, "0");
  throw new UserError({
    where: file,
    found: `not UTF-8: byte 0x${byte} at offset ${offset}, line ${line}`,
    allowed: `${allowed} in UTF-8`,
    cure: "save it as UTF-8, e.g. with `iconv -f ISO-8859-1 -t UTF-8`, or `-f UTF-16` if the first bytes are ff fe",
  });
}

/** The longest prefix that is UTF-8. */
function validStart(bytes: Buffer): Buffer {
  const replacement = Buffer.from("\uFFFD");
  const text = bytes.toString("utf8");
  for (let from = 0; ;) {
    const index = text.indexOf("\uFFFD", from);
    const start = Buffer.byteLength(text.slice(0, index));
    // The file itself may contain the replacement character.
    if (!bytes.subarray(start, start + replacement.length).equals(replacement)) return bytes.subarray(0, start);
    from = index + 1;
  }
}
