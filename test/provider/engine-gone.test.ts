// The provider's process must end by itself if its engine is killed, because nobody tells it to.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { isAlive } from "../is-alive.ts";

/** Starts a provider with pipes, like the engine. Prints the provider's process id, and its port once it serves. */
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
    // Its first output then goes to a closed pipe.
    ["it is starting", /^\d+\n/],
  ] as const) {
    it(`ends within seconds if its engine is killed while ${when}`, async () => {
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
