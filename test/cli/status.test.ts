// `status` when its preview fails: whose fault it is, for people and in JSON.
import assert from "node:assert/strict";
import { Output } from "../../cli/output.ts";
import { PulumiFailure } from "../../cli/pulumi-command.ts";
import type { Session } from "../../cli/session.ts";
import { ExportedState } from "../../cli/exported-state.ts";
import { status } from "../../cli/verbs/status.ts";
import { runVerb, startVerb } from "../engine/verbs.ts";
import { FakeProject } from "./fake-project.ts";

describe("`status`, when its preview fails,", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);

  it("says that the program refuses it, only if it does", async () => {
    const failure = Object.assign(new PulumiFailure(["preview"], "recipe.yaml: size: 9X", 255), {
      wasReported: true,
      isRefusal: true,
    });
    const stack = {
      name: "ec2",
      facts: { name: "ec2" },
      settings: { text: (_key: string, byDefault: string) => byDefault },
      state: () => Promise.resolve(new ExportedState({ version: 3, deployment: {} })),
      preview: () => Promise.reject(failure),
    };
    const session = { stack: () => Promise.resolve(stack), interrupted: new AbortController().signal };
    const lines: string[] = [];
    const sink = { write: (text: string) => lines.push(text) } as unknown as NodeJS.WritableStream;
    const output = new Output(false, false, sink, sink);
    const call = { session: session as unknown as Session, output, operands: [], options: { json: true } };
    assert.equal(await status.run(call), 1);
    const { refused, problem, why } = JSON.parse(lines.join("")) as Record<string, unknown>;
    assert.deepEqual([refused, problem, why], [true, undefined, ["the preview was refused, see above"]]);
    failure.isRefusal = false;
    lines.length = 0;
    assert.equal(await status.run(call), 1);
    const other = JSON.parse(lines.join("")) as Record<string, unknown>;
    assert.deepEqual([other.refused, other.why], [false, ["the preview failed, see above"]]);
    assert.match(String(other.problem), /^pulumi preview failed \(exit status 255\)\nrecipe/);
  });

  it("shows a reason that no event has, such as a wrong passphrase", async () => {
    const project = await FakeProject.make(`"preview "*) echo "error: incorrect passphrase" >&2; exit 255 ;;`);
    try {
      const { stdout, stderr, exitCode } = await runVerb(project, "status", "--json");
      assert.equal(exitCode, 1);
      assert.match(stderr, /error: incorrect passphrase/);
      const { refused, problem } = JSON.parse(stdout) as Record<string, unknown>;
      assert.equal(refused, false);
      assert.match(String(problem), /incorrect passphrase/);
    } finally {
      await project.remove();
    }
  });

  it("by Ctrl-C prints no JSON", async () => {
    const project = await FakeProject.make(
      `"preview "*) trap 'exit 255' INT; log hangs; while [ -e "$folder" ]; do sleep 0.1; done ;;`,
    );
    try {
      const running = startVerb(project, ["status", "--json"]);
      await project.hears(/^hangs$/);
      running.kill("SIGINT");
      const { stdout, stderr, exitCode } = await running;
      assert.equal(exitCode, 1);
      assert.equal(stdout, "");
      assert.match(stderr, /stopping cleanly[^]*stopped\./);
    } finally {
      await project.remove();
    }
  });
});
