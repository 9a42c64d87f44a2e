// Removing trees that guests and modules leave: nothing inside may prevent it, and what still does is named.
import assert from "node:assert/strict";
import { execa } from "execa";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "../../../components/local/provider/remove-tree.ts";
import { makeDeepTree } from "./deep-tree.ts";

describe("removing a tree", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-remove-"));
  });
  afterEach(() => removeTree(folder));

  it("copes with paths longer than PATH_MAX", async () => {
    await execa("bash", ["-c", makeDeepTree], { cwd: folder });
    await removeTree(folder);
    assert.ok(!existsSync(folder));
  });

  it("clears the flags of immutable and append-only files and folders, however deep", async () => {
    const flags = "chattr +i file; cd ..; chattr +a .; cd ..; touch other; chattr +a other";
    await execa("bash", ["-ec", `${makeDeepTree}; ${flags}`], { cwd: folder });
    await removeTree(folder);
    assert.ok(!existsSync(folder));
  });

  it("unmounts leftover mounts inside it, also below a folder with a space, and keeps their content", async () => {
    const [source, below] = [join(folder, "source"), join(folder, "tree/with space")];
    await mkdir(source);
    await writeFile(join(source, "kept"), "kept");
    await mkdir(below, { recursive: true });
    await execa("mount", ["--bind", source, below]);
    await execa("mount", ["-t", "tmpfs", "tmpfs", below]);
    await removeTree(join(folder, "tree"));
    assert.ok(!existsSync(join(folder, "tree")));
    assert.equal(await readFile(join(source, "kept"), "utf8"), "kept");
  });

  it("removes symbolic links but not their targets", async () => {
    await mkdir(join(folder, "tree"));
    await writeFile(join(folder, "kept"), "kept");
    await symlink(join(folder, "kept"), join(folder, "tree/link"));
    await symlink(folder, join(folder, "tree/folder"));
    await removeTree(join(folder, "tree"));
    assert.equal(await readFile(join(folder, "kept"), "utf8"), "kept");
  });

  it("is a no-op if the tree does not exist", async () => {
    await removeTree(join(folder, "missing"));
  });

  it("names what can't be removed, and why", async () => {
    await mkdir(join(folder, "tree"));
    await execa("chattr", ["+i", folder]);
    try {
      await assert.rejects(removeTree(join(folder, "tree")), (error: Error) => {
        assert.match(error.message, /ci-images-remove-\w+\/tree can't be removed: .*Operation not permitted/);
        return true;
      });
    } finally {
      await execa("chattr", ["-i", folder]);
    }
  });
});
