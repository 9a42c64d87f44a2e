// Uploads in a whole bake: they arrive unchanged, even if they are big, and are sent once.
import assert from "node:assert/strict";
import { chmod, link, mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { TestStack } from "./test-stack.ts";

describe("a bake with uploads", function () {
  this.timeout(1_200_000);
  let stack: TestStack;
  afterEach(() => stack.remove());

  it("uploads a folder with links and a file of over 2 GiB, and sends neither again when it resumes", async () => {
    const recipe = (script: string) => ({
      name: "uploads",
      distribution: "debian12",
      size: "8G",
      modules: ["files", "run"],
      files: [
        { path: "/opt/tree", source: "tree" },
        { path: "/opt/big", source: "big" },
      ],
      run: [{ source: "tree/script" }, script],
      tests: [
        { name: "modes", run: "test $(stat -c %a%a /opt/tree/script /opt/tree/secret | tr -d '\\n') = 755755600600" },
        {
          name: "links",
          run: "test $(readlink /opt/tree/dangling) = /no/where && test -f /opt/tree/folder-link/inside",
        },
        {
          name: "hard links and empty folders",
          run: "test $(stat -c %h /opt/tree/same) = 2 && test -d /opt/tree/empty",
        },
        { name: "owner", run: 'test -z "$(find /opt/tree /opt/big ! -user root -o ! -group root)"' },
        { name: "the big file", run: "test $(stat -c %s /opt/big) = 2300000000 && test $(tail -c 3 /opt/big) = end" },
        { name: "the script ran", run: "test -e /etc/script-ran" },
      ],
    });
    stack = await TestStack.create(recipe("false"));
    const tree = join(stack.directory, "tree");
    await mkdir(join(tree, "folder"), { recursive: true });
    await mkdir(join(tree, "empty"));
    await writeFile(join(tree, "folder/inside"), "");
    await writeFile(join(tree, "script"), "#!/bin/sh\ntouch /etc/script-ran\n");
    await chmod(join(tree, "script"), 0o755);
    await writeFile(join(tree, "secret"), "secret");
    await chmod(join(tree, "secret"), 0o600);
    await link(join(tree, "secret"), join(tree, "same"));
    await symlink("/no/where", join(tree, "dangling"));
    await symlink("folder", join(tree, "folder-link"));
    const big = await open(join(stack.directory, "big"), "w");
    await big.write("end", 2_300_000_000 - 3);
    await big.close();

    const failed = await stack.failingUp();
    assert.match(failed.output, /module run failed with exit status 1/);
    const uploads = async () =>
      (await stack.resources())
        .filter(({ type }) => type === "ci-images:index:Upload")
        .map(({ id, urn }) => `${urn} ${id}`);
    const before = await uploads();
    assert.equal(before.length, 3);
    const again = await stack.failingUp();
    assert.doesNotMatch(again.output, /index:Upload.* creat/);
    assert.deepEqual(await uploads(), before);

    await stack.recipe(recipe("true"));
    await stack.up();
    await stack.up();
    await stack.expectNoChanges();
  });

  it("fails at preview if a file can't be uploaded", async () => {
    const files = [{ path: "/opt/tree", source: "tree" }];
    stack = await TestStack.create({ name: "uploads", distribution: "debian12", modules: ["files"], files });
    await mkdir(join(stack.directory, "tree"));
    await execa("mkfifo", [join(stack.directory, "tree/pipe")]);
    const { output } = await stack.run("preview");
    assert.match(
      output,
      /module files: "tree" cannot be uploaded \(.*tree\/pipe is a named pipe\); allowed: files, folders and links/,
    );
    assert.deepEqual(await stack.machines(), []);
  });
});
