// Settings that a container can't show, on a machine booted from the image: swap, kernel parameters and limits. Also a
// proxy password, which must survive sealing although sealing removes passwords.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TestStack } from "./test-stack.ts";

const recipe = {
  name: "machine-settings",
  distribution: "debian12",
  size: "2G",
  modules: ["swap", "sysctl", "limits", "timezone", "proxy"],
  swap: { size: "256M", swappiness: 10 },
  sysctl: { "vm.max_map_count": 262145, "net.ipv4.ip_local_port_range": "1024 65000" },
  limits: [{ limit: "nofile", soft: 2048, hard: 4096 }],
  timezone: "Europe/Berlin",
  proxy: { http: "http://127.0.0.1:3128", username: "ci", password: "p@ss-of-the-proxy", keep_secret: true },
  tests: [{ name: "the proxy has its password", run: "grep -q ci:p%40ss-of-the-proxy@127 /etc/environment" }],
};

describe("machine settings in an image", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(recipe, { verify: true });
  });
  after(() => stack.remove());

  it("take effect on a machine booted from it", async () => {
    await stack.up();
    const { path } = (await stack.outputs()).images!.local.debian12;
    const { how, checks } = JSON.parse(await readFile(join(path, "proof.json"), "utf8")) as {
      how: string;
      checks: string[];
    };
    assert.match(how, /^qemu /);
    for (const what of [
      "swap: a worker has 256M of swap",
      "swap: vm.swappiness is 10 on a worker",
      "sysctl: vm.max_map_count is 262145",
      "sysctl: net.ipv4.ip_local_port_range is 1024 65000",
      "limits: nofile is limited to 2048",
      "limits: services get nofile 2048",
      "timezone: the time zone is Europe/Berlin",
      "proxy: logins use the proxy",
      "proxy: all services use the proxy",
      "the proxy has its password",
    ])
      assert.ok(
        checks.some((line) => line.includes(what)),
        `${what} is missing in ${checks.join("\n")}`,
      );
  });
});
