// Temporary folders with files, for tests.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Makes folders for tests; call `remove` in `afterEach`. */
export class TestFolders {
  readonly #made: string[] = [];

  /**
   * Makes a folder.
   * @param files Contents by relative path.
   * @returns its path.
   */
  make(files: Record<string, string>): string {
    const folder = mkdtempSync(join(tmpdir(), "ci-images-test-"));
    this.#made.push(folder);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    return folder;
  }

  /** Removes all of them. */
  remove(): void {
    for (const folder of this.#made.splice(0)) rmSync(folder, { recursive: true });
  }
}
