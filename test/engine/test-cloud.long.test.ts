// The test cloud itself: its fake plugins are as strict as the official ones, and its machines and images are real.
import assert from "node:assert/strict";
import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { makePlace, type Place } from "../../cli/temporary-stack.ts";
import { Ec2Cloud } from "../test-cloud/ec2-cloud.ts";
import { until } from "../test-cloud/until.ts";

const [host, login] = [makeSshKeyPair(), makeSshKeyPair()];

const userData = `#cloud-config\n${JSON.stringify({
  ssh_deletekeys: true,
  ssh_keys: { ed25519_private: host.privateKey, ed25519_public: host.publicKey },
})}\n`;

/** A program that makes an instance; with `image` appended, also an image of it and an instance of that image. */
const program = `
import * as aws from "@pulumi/aws";
const key = new aws.ec2.KeyPair("key", { publicKey: ${JSON.stringify(login.publicKey)} });
const born = { instanceType: "t3.small", keyName: key.keyName, userData: ${JSON.stringify(userData)} };
const builder = new aws.ec2.Instance("builder", { ami: "ami-0debian12base0001", ...born, tags: { role: "builder" } });
export const address = builder.publicIp;
export const id = builder.id;
`;

const image = `
const image = new aws.ec2.AmiFromInstance("image", { name: "an image", sourceInstanceId: builder.id });
const trial = new aws.ec2.Instance("trial", { ami: image.id, ...born });
export const trialAddress = trial.publicIp;
`;

describe("the test cloud", function () {
  this.timeout(180_000);
  let cloud: Ec2Cloud;
  let place: Place;

  before(async () => {
    cloud = await Ec2Cloud.open();
    place = await makePlace(cloud.variables);
    const runtime = { name: "nodejs", options: { typescript: false, nodeargs: "--import tsx/esm" } };
    await writeFile(join(place.directory, "Pulumi.yaml"), JSON.stringify({ name: "trial", runtime, main: "index.ts" }));
    await writeFile(join(place.directory, "package.json"), JSON.stringify({ type: "module" }));
    await symlink(join(projectDirectory, "node_modules"), join(place.directory, "node_modules"));
    await pulumi("stack", "init", place.name);
  });
  after(async () => {
    try {
      await pulumi("destroy", "--yes", "--skip-preview");
      await rm(place.directory, { recursive: true });
    } finally {
      await cloud.close();
    }
  });

  async function pulumi(...words: string[]): Promise<string> {
    const { all, exitCode } = await execa(place.cli, [...words, "--non-interactive"], {
      ...{ cwd: place.directory, env: place.environment, extendEnv: false, reject: false, all: true },
    });
    if (exitCode !== 0) throw new Error(`pulumi ${words.join(" ")}:\n${all}`);
    return all;
  }

  async function preview(text: string): Promise<string> {
    await writeFile(join(place.directory, "index.ts"), text);
    return await pulumi("preview").catch((error: Error) => error.message);
  }

  it("refuses undeclared, missing and wrongly typed inputs", async () => {
    const refusals = [
      [`new aws.ec2.Instance("it", { ami: "ami-1", rootBlockDevice: { size: 8 } } as never)`, "rootBlockDevice.size"],
      [`new aws.ec2.Instance("it", { ami: 7 } as never)`, "ami value {7} has a problem: must be string"],
      [`new aws.ec2.SecurityGroup("it", { ingress: [{ fromPort: 22, toPort: 22 }] } as never)`, "ingress.0.protocol"],
    ] as const;
    for (const [wrong, complaint] of refusals) {
      const said = await preview(`import * as aws from "@pulumi/aws";\n${wrong};`);
      assert.ok(said.includes(complaint), `${complaint} in:\n${said}`);
    }
  });

  it("boots real machines from base images, and makes images that machines boot from", async () => {
    await writeFile(join(place.directory, "index.ts"), program);
    await pulumi("up", "--yes", "--skip-preview");
    const address = (await pulumi("stack", "output", "address")).trim();
    await ssh(address, "echo made here | sudo tee /etc/made; sudo rm /etc/motd");
    const id = (await pulumi("stack", "output", "id")).trim();
    await cloud.stop(id);
    await writeFile(join(place.directory, "index.ts"), program + image);
    await pulumi("up", "--yes", "--skip-preview");
    const trial = (await pulumi("stack", "output", "trialAddress")).trim();
    assert.equal(
      await ssh(trial, "cat /etc/made; ls /etc/motd 2>&1 || true; cloud-init status --wait >&2"),
      "made here\nls: cannot access '/etc/motd': No such file or directory",
    );
  });

  it("shows no changes if nothing changed, also after a refresh", async () => {
    await pulumi("preview", "--expect-no-changes");
    await pulumi("refresh", "--yes", "--skip-preview");
    await pulumi("preview", "--expect-no-changes", "--diff");
  });

  it("replaces and updates like the official provider", async () => {
    assert.match(await preview((program + image).replace("an image", "another")), /AmiFromInstance +image +replace/);
    assert.match(await preview((program + image).replace('"builder" }', '"worker" }')), /Instance +builder +update/);
  });

  it("is empty after a destroy", async () => {
    assert.notDeepEqual(await cloud.leftovers(), []);
    await pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await cloud.leftovers(), []);
  });

  /** Runs a command on a machine, whose host key must be the one from the user data. */
  async function ssh(address: string, command: string): Promise<string> {
    const [key, known] = [join(place.directory, "login"), join(place.directory, "known_hosts")];
    await writeFile(key, login.privateKey, { mode: 0o600 });
    await writeFile(known, `${address} ${host.publicKey}\n`);
    const options = ["StrictHostKeyChecking=yes", `UserKnownHostsFile=${known}`, "BatchMode=yes", "ConnectTimeout=2"];
    const words = ["-F", "none", "-i", key, ...options.map((option) => `-o${option}`), `admin@${address}`, command];
    let answer = "";
    // ssh exits with 255 until sshd listens with that host key.
    await until(`${address} lets us in`, 60, async () => {
      const { stdout, stderr, exitCode } = await execa("ssh", words, { reject: false });
      answer = stdout;
      if (exitCode !== 0 && exitCode !== 255) throw new Error(`${stderr}\n${await readFile(known, "utf8")}`);
      return exitCode === 0;
    });
    return answer;
  }
});
