// Copies a builder's changes into a layer, and a layer into a fresh builder. A separate process, because it must run in
// the mount namespace where the builder's disk is mounted, and must thaw a frozen builder even if Pulumi is killed.
//
//   node layer-tool.mjs copy REQUEST      freezes the builder, copies, thaws it; prints the result (type Copied)
//   node layer-tool.mjs thaw              thaws the builder after a copy that was killed
//   node layer-tool.mjs finish REQUEST    checks the copy, writes its file list and digest, and gives it its name
//   node layer-tool.mjs restore REQUEST   copies a layer into a fresh builder, and compares every file with the list
//
// REQUEST is JSON. Plain JavaScript without dependencies, so that it starts fast. Paths are bytes, kept in latin1
// strings, because a guest's file names may have any encoding.
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} CopyRequest
 * @property {string} upper The folder that holds the builder's changes.
 * @property {string} target The folder to make: `tree`, and the files that `finish` needs.
 * @property {string} index The index of this builder's files in its last layer; need not exist.
 * @property {number} spent Seconds that the modules since then took. If a copy would take longer, nothing is copied.
 * @property {number} reserve Bytes that must stay free where `target` is.
 * @property {number} limit Bytes that all layers may take together.
 */

/**
 * @typedef {{ did: "kept", bytes: number, fresh: number, entries: number, held: number }
 *   | { did: "skipped", seconds: number }
 *   | { did: "failed", reason: string }} Copied `bytes` counts all files, `fresh` those that were copied. `held` is how
 *   many seconds the builder was frozen, `seconds` how many a copy would take.
 */

/**
 * @typedef {object} FinishRequest
 * @property {string} target As made by `copy`.
 * @property {string} index Rewritten.
 * @property {{ baseIdentity: string }} description The content of layer.json, without the fields that depend on the
 *   files.
 * @property {string} layer The layer's final folder.
 * @property {number} limit Bytes that all layers may take together.
 */

/**
 * @typedef {object} RestoreRequest
 * @property {string} layer
 * @property {string} upper An empty folder.
 * @property {string} index Written for the builder's first `copy`.
 */

/**
 * @typedef {object} Entry
 * @property {string} path Relative to the tree; `` is the tree itself.
 * @property {"d" | "f" | "l" | "c" | "b" | "p"} type
 * @property {fs.BigIntStats} status
 */

/** Seconds a builder gets to freeze; after that it is thawed and not copied. */
const patience = 10;
/** Seconds that any copy costs: starting processes, and connecting for each module that the layer replaces. */
export const fixedCost = 0.6;
/** Bytes and entries copied per second: a cautious estimate, for a busy computer. */
const speed = { bytes: 200 * 2 ** 20, entries: 20_000 };

/** @param {string} path */
const raw = (path) => Buffer.from(path, "latin1");

/** A builder's journal, named by its machine-id: large, always different, and useless to another builder. */
const ownJournal = /^var\/log\/journal\/[0-9a-f]{32}$/;

/**
 * All entries below a folder, sorted by name, folders before their content. Sockets are left out: after a boot nothing
 * listens on them.
 * @param {string} top
 */
export function walk(top) {
  /** @type {Entry[]} */
  const found = [];
  const root = Buffer.from(top).toString("latin1");
  /** @param {string} path */
  const visit = (path) => {
    const full = path === "" ? root : `${root}/${path}`;
    // Files can vanish in the first walk, before the builder is frozen. The second walk sees the final state.
    const status = fs.lstatSync(raw(full), { bigint: true, throwIfNoEntry: path === "" });
    const type = status && typeOf(status);
    if (type === undefined || ownJournal.test(path)) return;
    found.push({ path, type, status });
    if (type !== "d") return;
    const names = namesIn(full).sort();
    for (const name of names) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  return found;
}

/** @param {string} folder @returns {string[]} */
function namesIn(folder) {
  try {
    return fs.readdirSync(raw(folder), { encoding: "latin1" });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** @param {unknown} error */
const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code ?? "";

/** @param {fs.BigIntStats} status @returns {Entry["type"] | undefined} */
function typeOf(status) {
  if (status.isDirectory()) return "d";
  if (status.isFile()) return "f";
  if (status.isSymbolicLink()) return "l";
  if (status.isCharacterDevice()) return "c";
  if (status.isBlockDevice()) return "b";
  return status.isFIFO() ? "p" : undefined;
}

/** Identifies a file's content, on one file system: it changes if the file does. @param {fs.BigIntStats} status */
const stateOf = ({ ino, ctimeNs, size }) => `${ino} ${ctimeNs} ${size}`;

/**
 * A builder's index: the folder of its last layer, and for each path its state and digest then.
 * @param {string} file
 * @returns {{ layer?: string, files: Map<string, { state: string, digest: string }> }}
 */
function readIndex(file) {
  /** @type {Map<string, { state: string, digest: string }>} */
  const files = new Map();
  if (!fs.existsSync(file)) return { files };
  const [layer, ...lines] = fs.readFileSync(file, "latin1").split("\0");
  for (const line of lines.filter(Boolean)) {
    const [state, digest, path] = splitAt(line, 2);
    files.set(path, { state, digest });
  }
  return { layer: Buffer.from(layer, "latin1").toString(), files };
}

/** @param {string} file @param {string} layer @param {Iterable<[string, { state: string, digest: string }]>} files */
function writeIndex(file, layer, files) {
  const lines = [...files].map(([path, { state, digest }]) => `${state}\t${digest}\t${path}\0`);
  fs.writeFileSync(`${file}.new`, Buffer.concat([Buffer.from(`${layer}\0`), raw(lines.join(""))]));
  fs.renameSync(`${file}.new`, file);
}

/** Splits at the first tabs. @param {string} line @param {number} count */
function splitAt(line, count) {
  const parts = [];
  let rest = line;
  for (let i = 0; i < count; i++) {
    const at = rest.indexOf("\t");
    parts.push(rest.slice(0, at));
    rest = rest.slice(at + 1);
  }
  return [...parts, rest];
}

/** @param {CopyRequest} request @returns {Promise<Copied>} */
async function copy({ upper, target, index, spent, reserve, limit }) {
  const known = readIndex(index);
  const isThere = known.layer !== undefined && fs.existsSync(`${known.layer}/tree`);
  /** @param {Entry} entry */
  const isSame = ({ path, type, status }) =>
    isThere && type !== "d" && known.files.get(path)?.state === stateOf(status);
  /** @param {Entry[]} entries */
  const freshIn = (entries) => entries.filter((entry) => entry.type !== "d" && !isSame(entry));
  const before = walk(upper);
  const seconds = fixedCost + bytesOf(freshIn(before)) / speed.bytes + before.length / speed.entries;
  if (spent < seconds) return { did: "skipped", seconds };
  if (bytesOf(before) > limit) {
    return {
      did: "failed",
      reason: `they would take ${mebibytes(bytesOf(before))}, and CI_IMAGES_LAYERS allows ${mebibytes(limit)}`,
    };
  }
  const { bavail, bsize } = fs.statfsSync(dirname(target));
  if (bavail * bsize - bytesOf(freshIn(before)) < reserve) {
    return {
      did: "failed",
      reason: `the disk is too full, ${mebibytes(bavail * bsize)} are free in ${dirname(target)}`,
    };
  }
  fs.mkdirSync(join(target, "tree"), { recursive: true, mode: 0o700 });
  const thaw = await freeze();
  if (!thaw) return { did: "failed", reason: "the builder could not be frozen" };
  const began = performance.now();
  try {
    const entries = walk(upper);
    const fresh = freshIn(entries);
    for (const { path, type } of entries) if (type === "d" && path !== "") fs.mkdirSync(raw(inside(target, path)));
    for (const entry of entries) {
      if (isSame(entry))
        fs.linkSync(raw(inside(/** @type {string} */ (known.layer), entry.path)), raw(inside(target, entry.path)));
    }
    // Folders come last, because adding a file changes a folder's times.
    const listed = [...fresh, ...entries.filter(({ type }) => type === "d")].map(({ path }) => `./${path}\0`);
    fs.writeFileSync(join(target, "copied"), raw(listed.join("")));
    copyTree(upper, join(target, "tree"), [
      "--no-recursion",
      "--null",
      "--verbatim-files-from",
      `--files-from=${join(target, "copied")}`,
    ]);
    const digests = entries.map((entry) => [
      entry.path,
      { state: stateOf(entry.status), digest: isSame(entry) ? (known.files.get(entry.path)?.digest ?? "") : "" },
    ]);
    writeIndex(join(target, "index"), "", /** @type {[string, { state: string, digest: string }][]} */ (digests));
    fs.writeFileSync(join(target, "seen"), raw(entries.map((entry) => `${describe(entry)}\0`).join("")));
    return {
      did: "kept",
      bytes: bytesOf(entries),
      fresh: bytesOf(fresh),
      entries: entries.length,
      held: (performance.now() - began) / 1000,
    };
  } finally {
    thaw();
  }
}

/** @param {number} bytes */
const mebibytes = (bytes) => `${Math.floor(bytes / 2 ** 20)} MiB`;

/** @param {string} layer @param {string} path */
const inside = (layer, path) => `${Buffer.from(layer).toString("latin1")}/tree/${path}`;

/** Bytes that files take on the disk; a sparse file takes less than its size. @param {Entry[]} entries */
function bytesOf(entries) {
  return entries.reduce((sum, { type, status }) => (type === "f" ? sum + Number(status.blocks) * 512 : sum), 0);
}

/** The control group of the builder whose supervisor is process 1 here; undefined if the kernel can't freeze it. */
function guestGroup() {
  const own = /^0::(.*)\/supervisor$/m.exec(fs.readFileSync("/proc/1/cgroup", "utf8"))?.[1];
  const groups = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map((root) => `${root}${own}/guest`);
  return own === undefined ? undefined : groups.find((each) => fs.existsSync(`${each}/cgroup.freeze`));
}

/** @param {string | undefined} group */
function thawGroup(group) {
  if (group !== undefined) fs.writeFileSync(`${group}/cgroup.freeze`, "0");
}

/**
 * Freezes all processes of the builder.
 * @returns {Promise<(() => void) | undefined>} the function that thaws them; undefined if the kernel can't freeze them,
 *   or they don't freeze in time.
 */
async function freeze() {
  const group = guestGroup();
  if (group === undefined) return undefined;
  const thaw = () => thawGroup(group);
  fs.writeFileSync(`${group}/cgroup.freeze`, "1");
  const until = Date.now() + patience * 1000;
  while (!/^frozen 1$/m.test(fs.readFileSync(`${group}/cgroup.events`, "utf8"))) {
    if (Date.now() > until) {
      thaw();
      return undefined;
    }
    await delay(2);
  }
  return thaw;
}

/** One line of the file list. It has no link count, because layers share files by hard links. @param {Entry} entry */
function describe({ path, type, status }) {
  const size = type === "f" || type === "l" ? status.size : 0n;
  const device = type === "c" || type === "b" ? status.rdev : 0n;
  return [type, (status.mode & 0o7777n).toString(8), status.uid, status.gid, size, status.mtimeNs, device, path].join(
    "\t",
  );
}

// Without --absolute-names tar would create links that lead out of the tree last, and so change their folders' times.
const copyScript = `
set -o pipefail
from=$1 to=$2
shift 2
extras=(--absolute-names --xattrs --xattrs-include='*' --acls --numeric-owner)
tar --create --format=posix --sparse --warning=no-file-ignored "\${extras[@]}" --directory="$from" --file=- "$@" |
  tar --extract --preserve-permissions --same-owner --delay-directory-restore "\${extras[@]}" --directory="$to" --file=-`;

/**
 * Copies files with all their attributes except chattr's flags.
 * @param {string} from @param {string} to
 * @param {string[]} what Arguments for tar.
 */
function copyTree(from, to, what) {
  run("bash", ...copyWords(from, to, what));
}

/** @param {string} from @param {string} to @param {string[]} what */
const copyWords = (from, to, what) => ["-c", copyScript, "bash", from, to, ...what];

/** @param {string} file */
function digestOf(file) {
  const hash = createHash("sha256");
  const descriptor = fs.openSync(raw(file), "r");
  const buffer = Buffer.allocUnsafe(2 ** 20);
  try {
    for (;;) {
      const length = fs.readSync(descriptor, buffer, 0, buffer.length, null);
      if (length === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The digest of a file's content or a link's target; empty for others. @param {string} top @param {Entry} entry */
function contentOf(top, { path, type }) {
  const full = `${Buffer.from(top).toString("latin1")}/${path}`;
  if (type === "l")
    return createHash("sha256")
      .update(fs.readlinkSync(raw(full), { encoding: "buffer" }))
      .digest("hex");
  return type === "f" ? digestOf(full) : "";
}

/** @param {FinishRequest} request */
function finish({ target, index, description, layer, limit }) {
  const tree = join(target, "tree");
  const { files } = readIndex(join(target, "index"));
  const entries = walk(tree);
  const seen = fs.readFileSync(join(target, "seen"), "latin1").split("\0").filter(Boolean);
  const copied = entries.map(describe);
  const different = seen.findIndex((line, at) => line !== copied[at]);
  if (different >= 0 || seen.length !== copied.length) {
    throw new Error(`the copy differs from the builder: ${seen[different]} became ${copied[different]}`);
  }
  const list = entries.map((entry) => {
    const known = files.get(entry.path);
    const content = known?.digest || contentOf(tree, entry);
    if (known && entry.type !== "d") known.digest = content;
    return `${content}\t${describe(entry)}\0`;
  });
  fs.writeFileSync(join(target, "files"), raw(list.join("")));
  const digest = createHash("sha256")
    .update(raw(list.join("")))
    .digest("hex");
  const whole = { ...description, entries: entries.length, bytes: bytesOf(entries), digest };
  fs.writeFileSync(join(target, "layer.json"), JSON.stringify(whole, undefined, 2));
  for (const name of ["index", "seen", "copied"]) fs.rmSync(join(target, name));
  // After a power failure the name must not point to content that never reached the disk.
  run("sync", "--file-system", target);
  if (!putInPlace(target, layer)) {
    // A layer on a base that was made again since can't be used any more.
    if (baseIdentityOf(layer) === description.baseIdentity) return void remove(target);
    remove(layer);
    if (!putInPlace(target, layer)) return void remove(target);
  }
  writeIndex(index, layer, files);
  makeRoom(dirname(layer), limit);
}

/**
 * Gives a layer its name.
 * @param {string} target
 * @param {string} layer
 * @returns false if there is one already: another bake was faster, and its layer has the same content.
 */
function putInPlace(target, layer) {
  try {
    fs.renameSync(target, layer);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes(codeOf(error))) return false;
    throw error;
  }
}

/** @param {string} layer @returns {unknown} undefined if the layer is gone. */
function baseIdentityOf(layer) {
  try {
    /** @type {unknown} */
    const description = JSON.parse(fs.readFileSync(join(layer, "layer.json"), "utf8"));
    return /** @type {{ baseIdentity: string }} */ (description).baseIdentity;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Removes the least recently used layers until the others take no more than the limit.
 * @param {string} folder The folder of all layers.
 * @param {number} limit Bytes.
 * @returns {string[]} the names of the removed layers.
 */
export function makeRoom(folder, limit) {
  const sizes = sizesOf(folder);
  let sum = 0;
  return sizes.flatMap(({ name, bytes }) => {
    sum += bytes;
    if (sum <= limit) return [];
    remove(join(folder, name));
    return [name];
  });
}

/**
 * The layers in a folder, most recently used first, with the bytes that each takes in addition to those before it.
 * @param {string} folder
 */
export function sizesOf(folder) {
  const names = fs.readdirSync(folder).filter((name) => !name.startsWith("."));
  const used = names.flatMap((name) => {
    const status = fs.statSync(join(folder, name), { throwIfNoEntry: false });
    return status?.isDirectory() ? [{ name, usedAt: status.mtimeMs }] : [];
  });
  used.sort((one, other) => other.usedAt - one.usedAt);
  if (used.length === 0) return [];
  // One du for all: it counts a hard-linked file only once, at its first name. It skips layers that vanish meanwhile.
  const { stdout } = spawnSync("du", ["--summarize", "--block-size=1", "--", ...used.map(({ name }) => name)], {
    cwd: folder,
    encoding: "utf8",
  });
  const bytes = new Map(
    stdout
      .split("\n")
      .map((line) => /** @type {[string, number]} */ ([line.split("\t")[1], Number(line.split("\t")[0])])),
  );
  return used.map((each) => ({ ...each, bytes: bytes.get(each.name) ?? 0 }));
}

/** Removes a layer. Renames it first, so that no half-removed layer is ever used. @param {string} layer */
export function remove(layer) {
  const aside = join(dirname(layer), `.removed-${randomUUID()}`);
  try {
    fs.renameSync(layer, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  run("rm", "-rf", "--one-file-system", "--", aside);
}

/** @param {RestoreRequest} request */
async function restore({ layer, upper, index }) {
  const list = fs.readFileSync(join(layer, "files"), "latin1");
  /** @type {unknown} */
  const description = JSON.parse(fs.readFileSync(join(layer, "layer.json"), "utf8"));
  const { digest } = /** @type {{ digest: string }} */ (description);
  if (createHash("sha256").update(raw(list)).digest("hex") !== digest) throw new Error("its list of files is damaged");
  // Copied by other processes while this one reads the same files for their digests.
  const tree = join(layer, "tree");
  const copying = start("bash", ...copyWords(tree, upper, ["."]));
  /** @type {Map<string, string>} */
  let digests;
  try {
    digests = checkAgainst(list, tree);
  } finally {
    await copying.catch(() => {});
  }
  await copying;
  /** @type {Map<string, { state: string, digest: string }>} */
  const files = new Map();
  for (const entry of walk(upper)) {
    const content = digests.get(describe(entry));
    if (content === undefined) throw new Error(`${entry.path || "/"} has changed`);
    files.set(entry.path, { state: stateOf(entry.status), digest: content });
  }
  if (files.size !== digests.size) throw new Error(`${digests.size - files.size} files are missing`);
  writeIndex(index, layer, files);
}

/**
 * Compares a tree with its list of files.
 * @param {string} list
 * @param {string} tree
 * @returns {Map<string, string>} each file's digest, by its line without that.
 */
function checkAgainst(list, tree) {
  const expected = new Set(list.split("\0").filter(Boolean));
  /** @type {Map<string, string>} */
  const digests = new Map();
  for (const entry of walk(tree)) {
    const [content, description] = [contentOf(tree, entry), describe(entry)];
    if (!expected.delete(`${content}\t${description}`)) throw new Error(`${entry.path || "/"} has changed`);
    digests.set(description, content);
  }
  const [missing] = expected;
  if (missing !== undefined) throw new Error(`${splitAt(missing, 8)[8]} is missing`);
  return digests;
}

const environment = { PATH: process.env.PATH, LC_ALL: "C" };

/** @param {string} command @param {string[]} words */
function run(command, ...words) {
  const { status, stderr, error } = spawnSync(command, words, { encoding: "utf8", env: environment });
  if (error) throw error;
  if (status !== 0) throw failureOf(command, stderr);
}

/** As `run`, beside what else this process does. @param {string} command @param {string[]} words */
async function start(command, ...words) {
  const child = spawn(command, words, { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => (said += text));
  await once(child, "close");
  if (child.exitCode !== 0) throw failureOf(command, said);
}

/** @param {string} command @param {string} said */
function failureOf(command, said) {
  return new Error(said.trim().split("\n").slice(-3).join("; ") || `${command} failed`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , command, text = "{}"] = process.argv;
  /** @type {unknown} */
  const request = JSON.parse(text);
  // If Pulumi was killed, nothing reads our output. Go on anyway.
  process.stdout.on("error", () => {});
  if (command === "copy") {
    // The shell that starts it ignores these signals, but Node does not inherit that. If the copy's own processes are
    // ended with the login session that they began in, the copy fails, and thaws the builder.
    for (const signal of /** @type {const} */ (["SIGHUP", "SIGINT", "SIGTERM"])) process.on(signal, () => {});
  }
  try {
    if (command === "copy") console.log(JSON.stringify(await copy(/** @type {CopyRequest} */ (request))));
    else if (command === "thaw") thawGroup(guestGroup());
    else if (command === "finish") finish(/** @type {FinishRequest} */ (request));
    else await restore(/** @type {RestoreRequest} */ (request));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (command === "copy") console.log(JSON.stringify({ did: "failed", reason }));
    else console.error(reason);
    process.exitCode = 1;
  }
}
