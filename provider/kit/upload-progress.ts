// Progress of an upload, for people.
import type { Context } from "../resource.ts";

/** Milliseconds between two lines. */
const pause = 1000;

/**
 * Shows how much of an upload is done, at most once a second.
 * @param what What is uploaded.
 * @param total Bytes; undefined where nobody knows, as of what is packed on the way.
 * @returns is told how many more bytes are done.
 */
export function uploadProgress(
  what: string,
  total: number | undefined,
  progress: Context["progress"],
): (more: number) => void {
  let done = 0;
  let shownAt = Date.now();
  return (more) => {
    done += more;
    if (done !== total && Date.now() - shownAt < pause) return;
    shownAt = Date.now();
    const of = total === undefined ? "" : ` of ${mebibytes(total)}`;
    progress(`${what}: ${mebibytes(done)}${of} MiB uploaded`, true);
  };
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
