import assert from "node:assert/strict";
import { createServer } from "node:net";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { powerDown } from "../../../../components/local/provider/machine/qemu-monitor.ts";
import { doorPort } from "../../../../provision/builder/door.ts";
import {
  accelerator,
  probeAccelerator,
  qemuCommand,
  qemuVersion,
  virtualCpus,
  type QemuOptions,
} from "../../../../components/local/provider/machine/qemu.ts";
import {
  hostKeyFromConsole,
  hostKeyIn,
  saysItHasDoor,
  seedFiles,
} from "../../../../components/local/provider/machine/virtual-machine.ts";

const options: QemuOptions = {
  directory: "/machines/a,b",
  firmware: "uefi",
  memory: 1024,
  cpus: 2,
  address: "127.77.3.4",
  accelerator: "tcg",
  version: 8,
};
/** The CPU model that a machine gets. */
function processor(more: Partial<QemuOptions>): string {
  const words = qemuCommand({ ...options, ...more });
  return words[words.indexOf("-cpu") + 1];
}
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkq8JrWxWmVZLrMT7F0dGm4yqVnbRtD0bN0m0Zk9x1d";

describe("QEMU command of a local machine", () => {
  it("forwards only the machine's own address, and lets the guest out only on request", () => {
    const network = (more: Partial<QemuOptions>): string | undefined =>
      qemuCommand({ ...options, ...more }).find((word) => word.startsWith("user,"));
    const forwards = `hostfwd=tcp:127.77.3.4:22-:22,hostfwd=tcp:127.77.3.4:${doorPort}-:${doorPort}`;
    assert.equal(network({}), `user,id=network,restrict=on,${forwards}`);
    assert.equal(network({ outbound: true }), `user,id=network,restrict=off,${forwards}`);
  });

  it("starts UEFI firmware with private variables, and no such firmware for BIOS", () => {
    const flash = (firmware: "uefi" | "bios"): string[] =>
      qemuCommand({ ...options, firmware }).filter((word) => word.startsWith("if=pflash"));
    assert.equal(flash("bios").length, 0);
    assert.match(flash("uefi")[0], /unit=0,.*readonly=on/);
    assert.match(flash("uefi")[1], /unit=1,format=raw,file=\/machines\/a,,b\/efi-variables\.fd$/);
  });

  it("names the processor under TCG and passes the real one under KVM", () => {
    assert.equal(processor({ accelerator: "kvm" }), "host");
    assert.match(processor({ accelerator: "tcg" }), /^Westmere,/);
  });

  it("has no cmpxchg16b where QEMU's translation of it damages the flags", () => {
    assert.doesNotMatch(processor({ version: 8 }), /cx16/);
    assert.match(processor({ version: 7 }), /,-cx16,/);
    assert.equal(processor({ accelerator: "kvm", version: 7 }), "host");
  });

  it("finds QEMU's version", async () => {
    assert.ok((await qemuVersion()) >= 6);
  });

  it("gets a second virtual CPU where there is a second core, and on a busy computer only with KVM", () => {
    assert.equal(virtualCpus("tcg", 2, 2.5), 2);
    assert.equal(virtualCpus("tcg", 1, 0), 1);
    assert.equal(virtualCpus("tcg", 2, 9), 1);
    assert.equal(virtualCpus("tcg", 8, 9), 2);
    assert.equal(virtualCpus("kvm", 2, 9), 2);
  });

  it("doubles commas in paths, which QEMU would take for the end of a value", () => {
    assert.ok(qemuCommand(options).every((word) => !/machines\/a,b/.test(word)));
  });

  it("finds an accelerator that works here", async () => {
    assert.match(await accelerator(), /^(kvm|tcg)$/);
  });

  it("uses KVM only if a machine prints something at its start", async () => {
    // The last case is a virtual CPU that can be created but not run: QEMU complains, and the machine hangs.
    const machines = {
      kvm: "echo BdsDxe; exec sleep 600",
      "tcg, QEMU refused": "echo 'Could not access KVM kernel module' >&2; exit 1",
      "tcg, no word": "exit 0",
      "tcg, gave up": "echo 'KVM internal error. Suberror: 1' >&2; exec sleep 600",
    };
    for (const [expected, script] of Object.entries(machines))
      assert.equal(await probedWith(script), expected.slice(0, 3));
  });
});

/** The accelerator that is chosen if QEMU behaves like this script. */
async function probedWith(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
  const { PATH } = process.env;
  try {
    await writeFile(join(folder, "qemu-system-x86_64"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env.PATH = `${folder}:${PATH}`;
    return await probeAccelerator();
  } finally {
    process.env.PATH = PATH;
    await rm(folder, { recursive: true });
  }
}

describe("console of a local machine", () => {
  const block = (lines: string): string =>
    `-----BEGIN SSH HOST KEY KEYS-----\r\n${lines}\r\n-----END SSH HOST KEY KEYS-----\r\n`;

  it("shows the ed25519 host key among others", () => {
    assert.equal(hostKeyIn(`noise\r\n${block(`ecdsa-sha2-nistp256 AAAAE2V= root@x\r\n${key} root@x`)}login:`), key);
  });

  it("returns none while the block is incomplete, so that a half-written key is never used", () => {
    const text = block(`${key} root@x`);
    const end = text.indexOf("-----END SSH HOST KEY KEYS-----") + "-----END SSH HOST KEY KEYS-----".length;
    for (let length = 0; length < end; length++) assert.equal(hostKeyIn(text.slice(0, length)), undefined);
    assert.equal(hostKeyIn(text.slice(0, end)), key);
  });

  it("does not mistake a fingerprint or authorized key for a host key", () => {
    assert.equal(hostKeyIn(`${key} user@elsewhere\r\n${block("ecdsa-sha2-nistp256 AAAAE2V= root@x")}`), undefined);
  });

  it("is read from the log file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      await writeFile(join(folder, "console.log"), block(`[   12.3] cloud-init: ${key} root@x`));
      assert.equal(await hostKeyFromConsole(join(folder, "console.log")), key);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("seed of a local machine", () => {
  it("has the login key, as on a cloud, and only one host key, for the bake's own SSH server", () => {
    const door = { hostPrivateKey: "DOOR", authorizedKey: "ssh-ed25519 BBBB", loginUser: "debian" };
    const files = seedFiles("one", 'ssh-ed25519 AAAA "quoted" user@x', door);
    const metadata = JSON.parse(files["meta-data"]) as Record<string, unknown>;
    assert.deepEqual(metadata["public-keys"], ['ssh-ed25519 AAAA "quoted" user@x']);
    assert.equal(metadata["instance-id"], "one");
    assert.doesNotMatch(Object.values(files).join(), /ssh_keys|PRIVATE KEY/);
    assert.match(files["user-data"], /DOOR/);
  });

  it("lets the machine say on its console that the bake's own way in is there", async () => {
    const door = { hostPrivateKey: "DOOR", authorizedKey: "ssh-ed25519 BBBB", loginUser: "debian" };
    const said = /echo \\"(.*?)\\" >\/dev\/console/.exec(seedFiles("one", key, door)["user-data"])?.[1];
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    try {
      await writeFile(join(folder, "console.log"), "Cloud-init v. 22.4.2 running 'init'\r\n");
      assert.equal(await saysItHasDoor(folder), false);
      await appendFile(join(folder, "console.log"), `${said}\r\n`);
      assert.equal(await saysItHasDoor(folder), true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("power button of a local machine", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "ci-images-test-"))));
  afterEach(() => rm(folder, { recursive: true }));

  /** A fake monitor that closes, like QEMU's, when it receives one of `endsOn`. */
  async function withMonitor<T>(endsOn: string[], use: (socket: string, heard: string[]) => Promise<T>): Promise<T> {
    const heard: string[] = [];
    const server = createServer((connection) => {
      connection.write('{"QMP": {}}\n');
      connection.on("data", (data) => {
        for (const line of data.toString().trim().split("\n")) {
          const { execute } = JSON.parse(line) as { execute: string };
          heard.push(execute);
          if (endsOn.includes(execute)) connection.end();
        }
      });
    });
    const socket = join(folder, "monitor.socket");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      return await use(socket, heard);
    } finally {
      server.close();
    }
  }

  it("lets the guest shut down by itself", () =>
    withMonitor(["system_powerdown"], async (socket, heard) => {
      assert.equal(await powerDown(socket), "clean");
      assert.deepEqual(heard, ["qmp_capabilities", "system_powerdown"]);
    }));

  it("ends a guest that ignores it after a grace period", () =>
    withMonitor(["quit"], async (socket, heard) => {
      assert.equal(await powerDown(socket, 50), "forced");
      assert.deepEqual(heard, ["qmp_capabilities", "system_powerdown", "quit"]);
    }));

  it("reports that there is no machine", async () => {
    assert.equal(await powerDown(join(folder, "monitor.socket")), "absent");
  });
});
