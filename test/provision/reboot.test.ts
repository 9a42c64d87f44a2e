// A reboot in the middle of a bake, on a real builder.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { rebootCommand, testsCommand } from "../../provision/builder/commands.ts";
import { verificationChecks } from "../../provision/builder/verification.ts";
import { must, RealBuilder } from "./modules/real-builder.ts";
import { cachedBase } from "../cached-base.ts";

const bootId = "cat /proc/sys/kernel/random/boot_id\n";

describe("a real builder", function () {
  this.timeout(300_000);
  let builder: RealBuilder;

  before(async () => {
    builder = await RealBuilder.create(await cachedBase());
  });

  after(() => builder.remove());

  it("reboots with a successful command, and the next accepted connection reaches the rebooted machine", async () => {
    const before = must(await builder.asRoot(bootId));
    const { create, stdin } = rebootCommand("a test");
    must(await builder.ssh(create, stdin));
    const deadline = Date.now() + 120_000;
    let next = await builder.asRoot(bootId);
    // ssh exits with 255 without a connection. Anything else is an answer, and the first one counts.
    for (; next.exitCode === 255 && Date.now() < deadline; next = await builder.asRoot(bootId)) await setTimeout(100);
    assert.match(must(next), /^[0-9a-f-]{36}$/);
    assert.notEqual(next.stdout, before);
  });

  it("fails the verification's checks that look for its own identity and key", async () => {
    const machineId = must(await builder.asRoot("cat /etc/machine-id\n"));
    const hostKeys = must(await builder.asRoot("cat /etc/ssh/ssh_host_*_key.pub\n")).split("\n");
    const checks = verificationChecks({ machineId, hostKeys, loginKey: builder.bakeKey }, "debian");
    const { create, stdin } = testsCommand(checks);
    const verdicts = (await builder.ssh(create, stdin)).stdout.split("\n");
    for (const what of [
      "the machine-id is its own",
      "the SSH host keys are its own",
      "no key of the bake is accepted",
    ]) {
      assert(
        verdicts.some((line) => line.startsWith(`not ok - image: ${what}`)),
        `${what}\n${verdicts.join("\n")}`,
      );
    }
  });

  it("passes them if they look for another identity and key", async () => {
    const other = { machineId: "0".repeat(32), hostKeys: ["ssh-ed25519 AAAAother"], loginKey: "ssh-ed25519 AAAAother" };
    const wanted = ["the machine-id is its own", "no key of the bake is accepted", "shell histories are empty"];
    const { create, stdin } = testsCommand(
      verificationChecks(other, "debian").filter(({ what }) => wanted.includes(what)),
    );
    assert.match(must(await builder.ssh(create, stdin)), /3 passed, 0 failed$/);
  });
});
