// Our TypeScript, translated to JavaScript once, together with its packages, and kept in .cache/ until a source file or a
// package changes. Translating at every start takes longer than the rest of a preview.
import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What is known about a translation.
 * @typedef {object} Translation
 * @property {string} folder The name of its folder: a new one for each translation, so that a damaged one can't return.
 * @property {string[]} entries The files that can be imported by path.
 * @property {Record<string, string>} sources Our files that it was made from, and the state in which each was read.
 * @property {Record<string, number>} files The JavaScript files and their sizes.
 */

/** This file. */
const self = "common/translation.mjs";

/** Files besides the sources that the translation depends on. npm writes the last one when it changes a package. */
const rules = ["package.json", "tsconfig.json", self, "node_modules/.package-lock.json"];

/** The programs that import no files by path: no module and no transform shares Pulumi's SDK with them. */
const servers = [
  "provider/main.ts",
  "toolchain/offline/command-plugin/main.mjs",
  "toolchain/offline/language-host/language-host.mjs",
];

/** Not bundled: a program and its translation must share its state. */
const shared = "common/import-file.mjs";

/** For this long an outdated translation is kept, in milliseconds: a bake that runs may still load parts of it. */
const keptFor = 24 * 3_600_000;

/**
 * Returns the JavaScript of our programs and of the module library. Makes it if a source file or a package has changed
 * since the last time: 2 to 4 s.
 * @param {string} project The real path of the project's folder, with a separator at its end.
 * @param {string} program The main file to start, by its path in the project.
 * @returns {Promise<ReadonlyMap<string, string> | undefined>} absolute paths by paths in the project. undefined if there
 * can be none: the program is not ours, a file has an error, which its import shows better, or the cache can't be used.
 */
export async function freshTranslation(project, program) {
  const cache = join(project, ".cache/translation");
  const entries = entriesOf(project);
  if (!entries.includes(program) || !isInside(project)) return undefined;
  // Paths are part of the code, and a project may have several: on this computer and in a container.
  const record = join(cache, `${createHash("sha256").update(project).digest("hex").slice(0, 16)}.json`);
  const translation = kept(project, entries, cache, record) ?? (await translate(project, entries, cache, record));
  if (translation === undefined) return undefined;
  return new Map(entries.map((file) => [file, join(cache, translation.folder, file.replace(/\.[a-z]+$/, ".js"))]));
}

/**
 * Whether packages are found from the cache: not if it is a link to somewhere else.
 * @param {string} project
 */
function isInside(project) {
  const cache = join(project, ".cache");
  try {
    return realpathSync(cache) === cache;
  } catch (error) {
    return isFileError(error) && error.code === "ENOENT";
  }
}

/**
 * The files that are imported by path. Of the library those that provision/recipe/load-modules.ts counts as modules.
 * @param {string} project
 */
function entriesOf(project) {
  const clouds = readdirSync(join(project, "components"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `components/${name}/open-cloud.ts`)
    .filter((file) => existsSync(join(project, file)));
  const library = readdirSync(join(project, "provision/modules"))
    .filter((name) => name.endsWith(".ts") && !/^[_.]|\.(test|d)\.ts$/.test(name))
    .map((name) => `provision/modules/${name}`);
  return ["index.ts", "cli/main.ts", ...servers, ...clouds, ...library].sort();
}

/**
 * A file's state: another one after any change of its content.
 * @param {string} file
 */
function stateOf(file) {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(" ") : "";
}

/**
 * The translation in the cache, if it is whole and no source has changed.
 * @param {string} project
 * @param {string[]} entries
 * @param {string} cache
 * @param {string} record
 * @returns {Translation | undefined}
 */
function kept(project, entries, cache, record) {
  const found = known(record);
  if (found === undefined) return undefined;
  try {
    // The sources first: this file is one of them, so if they are the same, the rest has this version's format.
    const isFresh =
      Object.entries(found.sources).every(([file, state]) => stateOf(join(project, file)) === state) &&
      found.entries.join() === entries.join() &&
      Object.entries(found.files).every(([file, size]) => statSync(join(cache, found.folder, file)).size === size);
    return isFresh ? found : undefined;
  } catch (error) {
    // A file is missing, or another user's.
    if (isFileError(error)) return undefined;
    throw error;
  }
}

/**
 * The last translation that was made. undefined if there is none, or if a part is missing.
 * @param {string} record
 * @returns {Translation | undefined}
 */
function known(record) {
  try {
    /** @type {unknown} */
    const json = JSON.parse(readFileSync(record, "utf8"));
    const found = /** @type {Partial<Translation> | null} */ (json);
    const isWhole = found?.folder && found.entries && found.sources?.[self] && found.files;
    return isWhole ? /** @type {Translation} */ (found) : undefined;
  } catch (error) {
    if (isFileError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Makes a translation and its record.
 * @param {string} project
 * @param {string[]} entries
 * @param {string} cache
 * @param {string} record
 * @returns {Promise<Translation | undefined>}
 */
async function translate(project, entries, cache, record) {
  const folder = randomUUID();
  const results = join(cache, folder);
  try {
    mkdirSync(results, { recursive: true });
    const made = await build(project, entries, results);
    if (made === undefined) {
      rmSync(results, { recursive: true });
      return undefined;
    }
    const before = known(record)?.folder;
    writeFileSync(`${results}.json`, JSON.stringify({ folder, ...made }));
    renameSync(`${results}.json`, record);
    removeOutdated(cache, [folder, relative(cache, record)], before);
    return { folder, ...made };
  } catch (error) {
    if (!isFileError(error)) throw error;
    // Without the rights or the space for a cache, everything works without one.
    for (const path of [results, `${results}.json`]) if (existsSync(path)) rmSync(path, { recursive: true });
    return undefined;
  }
}

/**
 * Translates everything into a folder.
 * @param {string} project
 * @param {string[]} entries
 * @param {string} results
 * @returns {Promise<Omit<Translation, "folder"> | undefined>} undefined if a file has an error.
 */
async function build(project, entries, results) {
  const esbuild = await import("esbuild");
  /** @type {Record<string, string>} */
  const sources = {};
  // Before they are read: a change after that makes the translation outdated.
  for (const file of rules) sources[file] = stateOf(join(project, file));
  /** @type {import("esbuild").BuildOptions & { write: false }} */
  const common = {
    absWorkingDir: project,
    outbase: project,
    outdir: results,
    bundle: true,
    // What several programs or modules need is loaded once, and what is imported later stays apart.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true,
    sourcesContent: false,
    // Packages in CommonJS load Node's own modules with it.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    write: false,
    logLevel: "silent",
    // They name files beside the source, which stay there.
    define: Object.fromEntries(Object.keys(importPlacesOf("")).map((name) => [sourceName(name), name])),
  };
  try {
    const built = await Promise.all(
      [false, true].map((isServer) =>
        esbuild.build({
          ...common,
          entryPoints: entries.filter((file) => servers.includes(file) === isServer),
          plugins: [packageFinder(project, isServer), sourceReader(project, sources)],
        }),
      ),
    );
    const outputFiles = built.flatMap((each) => each.outputFiles);
    /** @type {Record<string, number>} */
    const files = {};
    for (const { path, contents } of outputFiles) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contents);
      files[relative(results, path)] = contents.length;
    }
    return { entries, sources, files };
  } catch (error) {
    if (error instanceof Error && "errors" in error) return undefined;
    throw error;
  } finally {
    // Its process would stay as long as this one.
    await esbuild.stop();
  }
}

/**
 * The plugin of esbuild that finds packages. They become part of the translation, because to find and load hundreds of
 * files takes most of a program's start. What is imported only when it is needed, such as a cloud's SDK, and machine code
 * stay where they are, and what the program shares with the files that it imports by path: Pulumi's SDK.
 * @param {string} project
 * @param {boolean} isServer
 * @returns {import("esbuild").Plugin}
 */
function packageFinder(project, isServer) {
  return {
    name: "package-finder",
    setup(own) {
      own.onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) =>
        (kind === "dynamic-import" && !isPackage(project, importer)) || (!isServer && path.startsWith("@pulumi/"))
          ? { path, external: true }
          : undefined,
      );
      own.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({
        path: join(resolveDir, path),
        external: true,
      }));
    },
  };
}

/**
 * Whether a file belongs to an installed package. The project itself may lie in a folder node_modules.
 * @param {string} project
 * @param {string} path
 */
function isPackage(project, path) {
  return relative(project, path).split(sep).includes("node_modules");
}

/**
 * The plugin of esbuild that reads files and records the states of ours.
 * @param {string} project
 * @param {Record<string, string>} sources Where the states go.
 * @returns {import("esbuild").Plugin}
 */
function sourceReader(project, sources) {
  const unbundled = join(project, shared);
  return {
    name: "source-reader",
    setup(own) {
      own.onResolve({ filter: /\/import-file\.mjs$/ }, ({ path, resolveDir }) =>
        join(resolveDir, path) === unbundled ? { path: pathToFileURL(unbundled).href, external: true } : undefined,
      );
      own.onLoad({ filter: /.*/, namespace: "file" }, async ({ path }) => {
        if (!isPackage(project, path)) sources[relative(project, path)] = stateOf(path);
        const [, language] = /\.[cm]?([jt]s)$/.exec(path) ?? [];
        if (language !== "js" && language !== "ts") return undefined;
        const text = await readFile(path, "utf8");
        const places = text.includes("import.meta")
          ? importPlacesOf(path)
          : isPackage(project, path)
            ? requirePlacesOf(path)
            : {};
        // On the first line, so that all lines keep their numbers.
        return { contents: `${declare(places, text)}${text}`, loader: language };
      });
    },
  };
}

/**
 * Declares the variables among these that a file mentions.
 * @param {Record<string, string>} places
 * @param {string} text
 */
function declare(places, text) {
  const mentioned = Object.entries(places).filter(([name]) => text.includes(sourceName(name)));
  const declared = mentioned.map(([name, place]) => `${name}=${JSON.stringify(place)}`);
  return declared.length > 0 ? `var ${declared.join()};` : "";
}

/**
 * What `import.meta` says about a file, by the names of the variables that stand for it.
 * @param {string} path
 */
function importPlacesOf(path) {
  const places = { url: pathToFileURL(path).href, dirname: dirname(path), filename: path };
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [`import_meta_${name}`, place]));
}

/**
 * What CommonJS tells a file about itself.
 * @param {string} path
 */
function requirePlacesOf(path) {
  return { __dirname: dirname(path), __filename: path };
}

/**
 * How a source file spells one of these variables: `import.meta.url` for `import_meta_url`.
 * @param {string} variable
 */
function sourceName(variable) {
  return variable.replace("import_meta_", "import.meta.");
}

/**
 * Removes translations that are too old to be in use, and what killed processes left. What can't be removed, because it
 * is another user's, stays.
 * @param {string} cache
 * @param {string[]} current
 * @param {string} [before] The one before, which may still be in use: its time begins now.
 */
function removeOutdated(cache, current, before) {
  for (const name of readdirSync(cache)) {
    if (current.includes(name)) continue;
    const path = join(cache, name);
    try {
      if (name === before) utimesSync(path, new Date(), new Date());
      else if (Date.now() - statSync(path).mtimeMs > keptFor) rmSync(path, { recursive: true });
    } catch (error) {
      if (!isFileError(error)) throw error;
    }
  }
}

/**
 * Whether the file system refused something.
 * @param {unknown} error
 * @returns {error is NodeJS.ErrnoException}
 */
function isFileError(error) {
  return error instanceof Error && "syscall" in error;
}
