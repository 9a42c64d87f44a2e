// Shows the progress of an upload.
import type { Context } from "../resource.ts";

/** Milliseconds between two lines. */
const pause = 1000;

/**
 * Shows the progress of an upload, at most once a second.
 * @param what The upload's name.
 * @param total Bytes; undefined if unknown, as when packing on the fly.
 * @returns a function to call with the number of additional bytes.
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
