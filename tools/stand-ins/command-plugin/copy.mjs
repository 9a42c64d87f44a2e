// command:remote:CopyToRemote: copying a file, a folder or a text over SFTP. Where things go:
//
//   source | remotePath is a folder | does not exist  | is a file
//   -------|------------------------|-----------------|--------------------
//   dir    | remotePath/dir         | remotePath/dir  | error
//   dir/   | into remotePath        | into remotePath | error
//   file   | remotePath/file        | remotePath      | overwritten
//   text   | error                  | remotePath      | overwritten
import { readdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { promisify } from "node:util";
import { abortReason } from "./command.mjs";
import { dial } from "../../../common/ssh-dial.mjs";

/** @typedef {import("ssh2").SFTPWrapper} Sftp */

/** SFTP's status for "no such file". */
const noSuchFile = 2;

/**
 * Copies.
 * @param {import("../../../common/ssh-dial.mjs").Connection} connection
 * @param {import("./values.mjs").Asset} source
 * @param {string} remotePath
 * @param {AbortSignal} signal Ends the copying, by closing the connection.
 * @param {import("./command.mjs").Log} log
 */
export async function copyToRemote(connection, source, remotePath, signal, log) {
  const client = await dial(connection, signal, log.status);
  const abort = () => client.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    /** @type {Promise<never>} */
    const lost = new Promise((_, reject) =>
      client.once("close", () => reject(signal.aborted ? abortReason(signal) : new Error("connection lost"))),
    );
    const copying = promisify(client.sftp.bind(client))().then((sftp) =>
      source.text === undefined
        ? copyPath(sftp, source.path ?? "", remotePath)
        : copyText(sftp, source.text, remotePath),
    );
    await Promise.race([copying, lost]);
    lost.catch(() => {}); // The connection is closed below.
  } finally {
    signal.removeEventListener("abort", abort);
    client.end();
    setTimeout(() => client.destroy(), 1000).unref();
  }
}

/**
 * @param {Sftp} sftp
 * @param {string} text
 * @param {string} destination
 */
async function copyText(sftp, text, destination) {
  if ((await remoteKind(sftp, destination)) === "folder")
    throw new Error(
      `remote path ${destination} is a directory; when using a text asset, remotePath must be a file path`,
    );
  await makeFolders(sftp, posix.dirname(destination));
  await new Promise((resolve, reject) => {
    sftp.writeFile(destination, text, (error) =>
      error
        ? reject(new Error(`failed to write text content to remote path ${destination}: ${error.message}`))
        : resolve(undefined),
    );
  });
}

/**
 * @param {Sftp} sftp
 * @param {string} source
 * @param {string} destination
 */
async function copyPath(sftp, source, destination) {
  const isFolder = (await stat(source)).isDirectory();
  const kind = await remoteKind(sftp, destination);
  if (!isFolder) {
    if (kind === undefined) await makeFolders(sftp, posix.dirname(destination));
    return copyFile(sftp, source, kind === "folder" ? posix.join(destination, basename(source)) : destination);
  }
  if (kind === undefined) await makeFolders(sftp, destination);
  await copyFolder(sftp, source, source.endsWith("/") ? destination : posix.join(destination, basename(source)));
}

/**
 * @param {Sftp} sftp
 * @param {string} source
 * @param {string} destination
 */
async function copyFolder(sftp, source, destination) {
  const kind = await remoteKind(sftp, destination);
  if (kind === "file") throw new Error(`remote path ${destination} exists but is not a directory`);
  if (kind === undefined) await makeFolder(sftp, destination);
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), posix.join(destination, entry.name)];
    if (entry.isDirectory()) await copyFolder(sftp, from, to);
    else await copyFile(sftp, from, to);
  }
}

/**
 * @param {Sftp} sftp
 * @param {string} source
 * @param {string} destination
 */
async function copyFile(sftp, source, destination) {
  await new Promise((resolve, reject) => {
    sftp.fastPut(source, destination, (error) =>
      error
        ? reject(new Error(`failed to copy file ${source} to remote path ${destination}: ${error.message}`))
        : resolve(undefined),
    );
  });
}

/**
 * @param {Sftp} sftp
 * @param {string} path
 */
async function makeFolders(sftp, path) {
  if (path === "" || path === "." || path === "/") return;
  const kind = await remoteKind(sftp, path);
  if (kind === "folder") return;
  if (kind === "file") throw new Error(`failed to create remote directory ${path}: it is a file`);
  await makeFolders(sftp, posix.dirname(path));
  await makeFolder(sftp, path);
}

/**
 * @param {Sftp} sftp
 * @param {string} path
 */
async function makeFolder(sftp, path) {
  /** @type {Error | undefined} */
  const error = await new Promise((resolve) => sftp.mkdir(path, (failure) => resolve(failure ?? undefined)));
  // Another resource may have made it between our look and this.
  if (error !== undefined && (await remoteKind(sftp, path)) !== "folder")
    throw new Error(`failed to create remote directory ${path}: ${error.message}`);
}

/**
 * @param {Sftp} sftp
 * @param {string} path
 * @returns {Promise<"folder" | "file" | undefined>}
 */
function remoteKind(sftp, path) {
  return new Promise((resolve, reject) => {
    sftp.stat(path, (/** @type {Error & { code?: number } | undefined} */ error, stats) => {
      if (error === undefined) resolve(stats.isDirectory() ? "folder" : "file");
      else if (error.code === noSuchFile) resolve(undefined);
      else reject(new Error(`failed to stat remote path ${path}: ${error.message}`));
    });
  });
}
