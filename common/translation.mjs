// Our TypeScript, translated to JavaScript once and kept in .cache/, as long as no source file changes. To translate it
// while it is loaded takes longer than everything else that a `pulumi preview` does.
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What is known about a translation.
 * @typedef {object} Translation
 * @property {string} project The project's folder, which is part of the code (`import.meta.url`).
 * @property {string} folder The name of the translation's folder.
 * @property {Record<string, string>} entries The files that can be imported by path, and their JavaScript.
 * @property {Record<string, string>} sources All source files, and the state in which each was read.
 */

/** Files besides the sources that the translation depends on. */
const rules = ["package.json", "tsconfig.json", "common/translation.mjs"];

/** Loaded as it is by every program and by its translation, because it has a state. */
const shared = "common/import-file.mjs";

/** For this long an outdated translation is kept, in milliseconds: a bake that runs may still load parts of it. */
const keptFor = 7 * 24 * 3_600_000;

/** What prevents the cache from being written: the rights of the user, a file system that is read-only or full. */
const unwritable = ["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR"];

/**
 * Returns the JavaScript of our programs and of the module library. Makes it if a source file has changed since the last
 * time: 1 to 2 s.
 * @param {string} project The project's folder, with a separator at its end.
 * @returns {Promise<ReadonlyMap<string, string> | undefined>} absolute paths by paths in the project. undefined if there
 * can be none, because a file has an error, which its import shows better, or because the cache can't be written.
 */
export async function freshTranslation(project) {
  const cache = join(project, ".cache/translation");
  const translation = kept(project, cache) ?? (await translate(project, cache));
  if (translation === undefined) return undefined;
  return new Map(
    Object.entries(translation.entries).map(([file, name]) => [file, join(cache, translation.folder, name)]),
  );
}

/**
 * The files that are imported by path.
 * @param {string} project
 */
function entriesOf(project) {
  const clouds = readdirSync(join(project, "components"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `components/${name}/open-cloud.ts`)
    .filter((file) => stateOf(join(project, file)) !== undefined);
  const library = readdirSync(join(project, "provision/modules"))
    .filter((name) => /^[^._].*\.ts$/.test(name))
    .map((name) => `provision/modules/${name}`);
  return ["index.ts", "provider/main.ts", "cli/main.ts", ...clouds, ...library].sort();
}

/**
 * A file's state: another one after any change of its content. undefined if it is not there.
 * @param {string} file
 */
function stateOf(file) {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(" ");
}

/**
 * The translation in the cache, if no source has changed.
 * @param {string} project
 * @param {string} cache
 * @returns {Translation | undefined}
 */
function kept(project, cache) {
  const found = known(cache);
  const isFresh =
    found?.project === project &&
    Object.keys(found.entries).join() === entriesOf(project).join() &&
    Object.entries(found.sources).every(([file, state]) => stateOf(join(project, file)) === state) &&
    statSync(join(cache, found.folder), { throwIfNoEntry: false }) !== undefined;
  return isFresh ? found : undefined;
}

/**
 * The last translation that was made. undefined if there is none, or one of a version with another format.
 * @param {string} cache
 * @returns {Translation | undefined}
 */
function known(cache) {
  try {
    /** @type {unknown} */
    const json = JSON.parse(readFileSync(join(cache, "current.json"), "utf8"));
    const found = /** @type {Partial<Translation>} */ (json);
    return found.folder && found.entries && found.sources ? /** @type {Translation} */ (found) : undefined;
  } catch (error) {
    if (isOf(error, ["ENOENT", "ENOTDIR", "EACCES"]) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * @param {string} project
 * @param {string} cache
 * @returns {Promise<Translation | undefined>}
 */
async function translate(project, cache) {
  const { build } = await import("esbuild");
  const entries = entriesOf(project);
  /** @type {Record<string, string>} */
  const sources = {};
  // Before they are read: a change after that makes the translation outdated.
  for (const file of rules) sources[file] = stateOf(join(project, file)) ?? "";
  const results = join(cache, `new-${randomUUID()}`);
  /** @type {{ name: string, setup: (build: import("esbuild").PluginBuild) => void }} */
  const reader = { name: "sources", setup: (own) => readSources(own, project, sources) };
  let built;
  try {
    built = await build({
      absWorkingDir: project,
      entryPoints: entries,
      outbase: project,
      outdir: results,
      bundle: true,
      // What several programs or modules need is loaded once, and what is imported later stays apart.
      splitting: true,
      packages: "external",
      format: "esm",
      platform: "node",
      target: "node20",
      keepNames: true,
      sourcemap: true,
      sourcesContent: false,
      write: false,
      logLevel: "silent",
      plugins: [reader],
    });
  } catch (error) {
    // A file has an error.
    if (error instanceof Error && "errors" in error) return undefined;
    throw error;
  }
  const digest = createHash("sha256").update(project);
  for (const { path, hash } of built.outputFiles) digest.update(relative(results, path)).update(hash);
  const folder = digest.digest("hex").slice(0, 16);
  const translation = {
    project,
    folder,
    entries: Object.fromEntries(entries.map((file) => [file, file.replace(/ts$/, "js")])),
    sources,
  };
  try {
    for (const { path, contents } of built.outputFiles) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contents);
    }
    moveTo(results, join(cache, folder));
    // The one before may still be in use: its time begins now.
    const before = known(cache)?.folder;
    if (before !== undefined) touch(join(cache, before));
    writeFileSync(`${results}.json`, JSON.stringify(translation));
    renameSync(`${results}.json`, join(cache, "current.json"));
    removeOutdated(cache, folder);
  } catch (error) {
    if (isOf(error, unwritable)) return undefined;
    throw error;
  }
  return translation;
}

/**
 * Reads our files for esbuild, and records their states.
 * @param {import("esbuild").PluginBuild} build
 * @param {string} project
 * @param {Record<string, string>} sources
 */
function readSources(build, project, sources) {
  build.onResolve({ filter: /\/import-file\.mjs$/ }, ({ path, resolveDir }) =>
    join(resolveDir, path) === join(project, shared)
      ? { path: pathToFileURL(join(project, shared)).href, external: true }
      : undefined,
  );
  build.onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
    sources[relative(project, path)] = stateOf(path) ?? "";
    const text = await readFile(path, "utf8");
    // They name files beside the source, which stay there.
    const contents = text
      .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
      .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)));
    return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
  });
}

/**
 * Gives a finished folder its name, unless another process has just made the same.
 * @param {string} from
 * @param {string} to
 */
function moveTo(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!isOf(error, ["ENOTEMPTY", "EEXIST"])) throw error;
    rmSync(from, { recursive: true });
  }
}

/**
 * Makes a folder look as if it had just been made.
 * @param {string} folder
 */
function touch(folder) {
  try {
    utimesSync(folder, new Date(), new Date());
  } catch (error) {
    if (!isOf(error, ["ENOENT"])) throw error;
  }
}

/**
 * Removes translations that are too old to be in use, and what killed processes left.
 * @param {string} cache
 * @param {string} current
 */
function removeOutdated(cache, current) {
  for (const name of readdirSync(cache)) {
    if ([current, "current.json"].includes(name)) continue;
    const path = join(cache, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found && Date.now() - found.mtimeMs > keptFor) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Whether an error has one of these codes.
 * @param {unknown} error
 * @param {string[]} codes
 */
function isOf(error, codes) {
  return codes.includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "");
}
