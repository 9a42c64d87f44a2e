// On a computer without loop devices a builder gets no disk of its own, and the reason is reported.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

describe("the disk of a builder", function () {
  this.timeout(30_000);

  it("is omitted with a reason if there are no loop devices, and leaves no file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      const module = new URL("../../../components/local/provider/machine/builder-disk.ts", import.meta.url).href;
      const program = `import { makeDisk } from "${module}"; console.log(await makeDisk("${directory}", 2 ** 28, 0o755));`;
      const node = [process.execPath, "--import", "tsx", "--input-type=module", "--eval", program];
      // A bare /dev, as in a container.
      const bare =
        'touch /run/null && mount --bind /dev/null /run/null && mount -t tmpfs tmpfs /dev && touch /dev/null && mount --move /run/null /dev/null && exec "$@"';
      const words = ["--mount", "--propagation", "private", "sh", "-c", `mount -t tmpfs tmpfs /run && ${bare}`, "sh"];
      const { stdout } = await execa("unshare", [...words, ...node]);
      assert.match(stdout, /^mount: /);
      assert.deepEqual(await readdir(directory), ["disk"]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
