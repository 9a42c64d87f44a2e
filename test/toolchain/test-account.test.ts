// The cleanup of `npm run test:account`, with a fake stack and account.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { cleanUp } from "../../scripts/test-account/life-cycle.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { FakeProject } from "../cli/fake-project.ts";

describe("the cleanup of a test in an account", () => {
  /** A stack whose first commands `destroy` fail. */
  const stack = (failures: number) => ({
    run: (word: string) => {
      const exitCode = word === "destroy" && failures-- > 0 ? 255 : 0;
      return Promise.resolve({ output: "the reason", exitCode, took: 0 });
    },
    step: <T>(_what: string, act: () => Promise<T>) => act(),
  });
  /** A sweep that finds these, in order. */
  const account = (...finds: string[][]) => {
    return () => Promise.resolve(finds.shift() ?? []);
  };

  it("leaves nothing if the stack is destroyed at last", async () => {
    assert.deepEqual(await cleanUp(stack(2), account()), []);
  });

  it("has failed if the stack can't be destroyed, even if a sweep finds nothing or removes everything", async () => {
    const state = "the state, which could not be destroyed";
    assert.deepEqual(await cleanUp(stack(3), account()), [state]);
    assert.deepEqual(await cleanUp(stack(3), account(["machine a"], [], [])), [state]);
    assert.deepEqual(await cleanUp(stack(3), account(["machine a"], [], ["machine a"])), ["machine a", state]);
    const broken = () => Promise.reject(new Error("no credentials"));
    assert.deepEqual(await cleanUp(stack(3), broken), ["no credentials", state]);
  });

  it("has failed if destroying leaves something, even if a sweep removes it", async () => {
    assert.deepEqual(await cleanUp(stack(0), account(["machine a"], [], [])), [
      "pulumi destroy left machine a (now removed)",
    ]);
  });

  it("also runs after the terminal was closed", async function () {
    this.timeout(120_000);
    const project = await FakeProject.make(`"up "*) trap 'exit 255' INT; log hangs
      while [ -e "$folder" ]; do sleep 0.1; done ;;`);
    try {
      const module = pathToFileURL(join(projectDirectory, "scripts/test-account/life-cycle.ts"));
      const program = `import { testAccount } from "${module.href}";
        const account = { cloud: "local", images: () => Promise.resolve([]) };
        await testAccount(account, { local: {} }, "debian12");`;
      const running = execa("node", ["--import", "tsx", "--input-type=module", "-e", program], {
        ...{ cwd: projectDirectory, env: project.environment, extendEnv: false, reject: false },
      });
      const ended = once(running, "exit");
      await Promise.race([ended, project.hears(/^hangs$/)]);
      running.stdout.destroy();
      running.stderr.destroy();
      running.kill("SIGHUP");
      await ended;
      assert.match((await project.calls()).join("\n"), /^destroy /m);
    } finally {
      await project.remove();
    }
  });
});
