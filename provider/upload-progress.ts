// Progress of an upload, for people.
import type { Context } from "./resource.ts";

/** Milliseconds between two lines. */
const pause = 1000;

/**
 * Shows how much of an upload is done, at most once a second.
 * @param what What is uploaded.
 * @param total Bytes.
 * @returns is told how many more bytes are done.
 */
export function uploadProgress(what: string, total: number, progress: Context["progress"]): (more: number) => void {
  let done = 0;
  let shownAt = Date.now();
  return (more) => {
    done += more;
    if (done < total && Date.now() - shownAt < pause) return;
    shownAt = Date.now();
    progress(`${what}: ${mebibytes(done)} of ${mebibytes(total)} MiB uploaded`, true);
  };
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
