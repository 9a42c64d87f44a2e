// Computes a file's checksum.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { mebibyte } from "../../../../common/sizes.ts";

/** The sha256 of a file, hexadecimal. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    // With one buffer it takes two thirds of a stream's time.
    const buffer = Buffer.allocUnsafe(4 * mebibyte);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}
