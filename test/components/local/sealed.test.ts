// The program on stack `local` with a builder that is sealed, but has no image yet: making the image failed.
import assert from "node:assert/strict";
import { runProgram, type Graph } from "../program.ts";
import { expectNothingRunsAgain } from "../sealed-builder.ts";

const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };

const run = (machines: object[] = []): Promise<Graph> =>
  runProgram(
    {},
    {
      calls: {
        "ci-images:local:resolveBase": { id: "base", description: "debian 12" },
        "ci-images:local:findImages": { images: [], machines },
        "ci-images:local:preflight": { accelerator: "tcg" },
        "ci-images:local:findLayers": { count: 0 },
      },
      outputs: {
        "ci-images:index:KeyPair": () => ({ publicKey: "ssh-ed25519 PUBLIC", privateKey: "PRIVATE" }),
        "ci-images:local:Lease": () => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z" }),
        "ci-images:local:Builder": () => ({ host: "h", port: 22, instance: "i" }),
        "ci-images:local:Image": ({ path }) => ({ path, disk: "/d", sha256: "5a", bytes: 2, builtAt: "2026", builder }),
        "command:remote:Command": () => ({ stdout: `machine-id ${"1".repeat(32)}\n` }),
      },
    },
  );

describe("a sealed builder on stack `local`", () => {
  it("is never connected to: neither new settings nor a new version runs its steps again", async () => {
    const { recipe } = (await run()).one("WorkerImage").inputs;
    expectNothingRunsAgain((await run([{ name: "m", recipe, sealed: true }])).resources);
    const open = await run([{ name: "m", recipe }]);
    assert.deepEqual(open.one("Command", /-run$/).ignoreChanges, []);
  });
});
