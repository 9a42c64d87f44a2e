// Ctrl-C between two steps of a command line, when no operation is running.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { automation } from "@pulumi/pulumi";
import { pulumiCommand } from "../../cli/pulumi-command.ts";
import { TemporaryStack } from "../../cli/temporary-stack.ts";

describe("Ctrl-C between two steps", () => {
  let folder: string;
  const before = process.env.TMPDIR;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "interrupted-"));
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await rm(folder, { recursive: true });
  });

  it("prevents further pulumi commands", async () => {
    const interruption = new AbortController();
    const pulumiHome = folder;
    const command: automation.PulumiCommand = pulumiCommand("/bin/echo", interruption.signal);
    const workspace = await automation.LocalWorkspace.create({ workDir: folder, pulumiHome, pulumiCommand: command });
    interruption.abort();
    await assert.rejects(workspace.whoAmI(), { name: "AbortError" });
  });

  it("removes an incomplete temporary stack completely", async () => {
    process.env.TMPDIR = folder;
    // Any failure during creation will do: a function can't be written to the recipe's file.
    await assert.rejects(TemporaryStack.create({ name: () => {} }), /unacceptable kind of an object/);
    assert.deepEqual(await readdir(folder), []);
  });
});
