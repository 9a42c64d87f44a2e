// The provider's process when its engine was killed, which tells it nothing.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { isAlive } from "../is-alive.ts";

/** Starts what its arguments say with pipes, as the engine does; prints its process id, and its first line when that comes. */
const engine = `
  const [file, ...words] = process.argv.slice(1);
  const provider = require("node:child_process").spawn(file, words, { stdio: ["ignore", "pipe", "pipe"] });
  console.log(provider.pid);
  provider.stdout.once("data", (port) => console.log("port " + port));
  setInterval(() => {}, 1000);`;

describe("the provider's process", function () {
  this.timeout(60_000);

  for (const [when, line] of [
    ["it serves", /^port \d+/m],
    // The first thing that it says is then said to nobody.
    ["it is starting", /^\d+\n/],
  ] as const) {
    it(`ends within seconds of an engine that is killed while ${when}`, async () => {
      const provider = join(projectDirectory, "provider/pulumi-resource-ci-images");
      const running = execa("node", ["--eval", engine, provider, "127.0.0.1:1"], { reject: false });
      let output = "";
      while (!line.test(output)) output += String(((await once(running.stdout, "data")) as [Buffer])[0]);
      const id = Number(/^\d+/.exec(output)?.[0]);
      running.kill("SIGKILL");
      await running;
      try {
        for (let tries = 0; tries < 100 && isAlive(id); tries++) await sleep(100);
        assert.ok(!isAlive(id), `process ${id} still runs 10 s after the engine was killed`);
      } finally {
        if (isAlive(id)) process.kill(id, "SIGKILL");
      }
    });
  }
});
