// Finds and loads modules by name: files in provision/modules, and the user's own beside the recipe.
import { readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { importFile } from "../../common/import-file.mjs";
import { UserError } from "../../common/user-error.ts";
import type { ModuleFile } from "../module.ts";
import { readText } from "./read-text.ts";
import { shellModule } from "./shell-module.ts";
import { flawOf } from "./validate.ts";

/** The folder of the modules that come with the project. */
export const libraryFolder = fileURLToPath(new URL("../modules", import.meta.url));

const extensions = [".ts", ".js", ".mjs", ".sh"];

/** A module's canonical name: `install-rpms` and `install_rpms` are the same module. */
export function moduleKey(name: string): string {
  return name.replaceAll("-", "_");
}

/** The files of the modules. */
export class ModuleCatalogue {
  readonly #files = new Map<string, string>();
  readonly #loaded = new Map<string, Promise<ModuleFile>>();

  /**
   * @param folders Folders with modules, in order of precedence: a module hides one of the same name in a later folder.
   *   A missing folder counts as empty. Files that start with `_` or `.` and `*.test.ts` are not modules.
   */
  constructor(folders: readonly string[]) {
    for (const folder of folders) {
      for (const file of moduleFiles(folder)) {
        const key = moduleKey(basename(file, extname(file)));
        if (!this.#files.has(key)) this.#files.set(key, join(folder, file));
      }
    }
  }

  /** The names of all modules, sorted. */
  get names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** A module's file; undefined if there is no such module. */
  fileOf(name: string): string | undefined {
    return this.#files.get(moduleKey(name));
  }

  /**
   * Loads a module.
   * @throws UserError if the file can't be loaded or exports no `modify`; RangeError if there is no such module.
   */
  load(name: string): Promise<ModuleFile> {
    const key = moduleKey(name);
    const file = this.#files.get(key);
    if (!file) throw new RangeError(`there is no module ${name}`);
    let module = this.#loaded.get(key);
    if (!module) this.#loaded.set(key, (module = loadFile(file)));
    return module;
  }
}

function moduleFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => extensions.includes(extname(file)) && !/^[_.]|\.(test|d)\.ts$/.test(file))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new UserError({ where: folder, found: `the folder cannot be read (${(error as Error).message})` });
  }
}

async function loadFile(file: string): Promise<ModuleFile> {
  const text = readText(file, "a module");
  if (extname(file) === ".sh") return shellModule(file, text);
  let exported: { default?: unknown };
  try {
    exported = await importFile(file);
  } catch (error) {
    throw new UserError({ where: file, found: `the module cannot be loaded: ${(error as Error).message}` });
  }
  const module = (exported.default ?? exported) as Partial<ModuleFile>;
  if (typeof module.modify !== "function") {
    throw new UserError({
      where: file,
      found: "exports no function `modify`",
      allowed: "export function modify(name, root, cfg) { ... }; see provision/module.ts",
    });
  }
  // The library's are checked by tests: compiling the schema of schemas takes a while.
  const isOwn = dirname(file) !== libraryFolder;
  const flaw = isOwn && module.settings && flawOf(module.settings);
  if (flaw) throw new UserError({ where: file, key: "settings", found: `not a JSON schema: ${flaw}` });
  return { ...module, description: module.description ?? "", modify: module.modify };
}
