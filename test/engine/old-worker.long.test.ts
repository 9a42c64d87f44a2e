// Features of the old workers that a container can't show, checked on a machine booted from the image: firewall rules
// in the kernel, network card features, Docker with preloaded images, and root's key.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { TestStack } from "./test-stack.ts";

const image = "localhost:5000/ci/tools:1";

/** Starts a registry on the builder and pushes an image that Docker's cache does not keep. */
const pushImage = `\
apt-get -q -y install --no-install-recommends docker-registry
sed -i '/^auth:/,/^health:/{/^health:/!d}' /etc/docker/registry/config.yml
systemctl restart docker-registry
timeout 20 bash -c 'until : </dev/tcp/127.0.0.1/5000; do sleep 0.1; done' 2>/dev/null
mkdir -p /srv/image && echo tools >/srv/image/tools
tar --directory /srv/image --create . | docker import - ${image}
docker push --quiet ${image}
docker rmi ${image}`;

const recipe = {
  name: "old-worker",
  distribution: "debian12",
  modules: ["path", "network_card_fix", "firewall", "docker", "run", "docker_images", "nginx", "root_key"],
  run: pushImage,
  docker_images: [image],
  root_key: { key: { secret: "ROOT_KEY" } },
  tests: [
    // The builder is a container, where Docker uses another folder, which sealing removes.
    {
      name: "on a worker Docker has its usual folder",
      run: `systemd-detect-virt --quiet --container || [ "$(docker info --format '{{.DockerRootDir}}')" = /var/lib/docker ]`,
    },
    {
      name: "on a worker the firewall's rules are in the kernel",
      run: `systemd-detect-virt --quiet --container || nft list table inet ci_worker`,
    },
  ],
};

describe("a machine booted from an old worker's image", function () {
  this.timeout(600_000);
  let folder: string;
  let stack: TestStack;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-old-worker-"));
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
    const key = await readFile(join(folder, "key"), "utf8");
    stack = await TestStack.create(recipe, { verify: true, secrets: { ROOT_KEY: key } });
  });
  after(async () => {
    await stack?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it("has a working firewall, card fix, Docker, Docker images and root key", async () => {
    const { output } = await stack.up();
    const proven = output.split("\n").filter((line) => line.includes("-trial-verify"));
    const passed = (what: string) => proven.some((line) => line.endsWith(`ok - ${what}`) && !line.includes("not ok"));
    for (const what of [
      "firewall: the firewall is enabled and running",
      "firewall: the firewall drops what nothing lets in",
      "firewall: the firewall lets 80/tcp in",
      "network_card_fix: network cards: scatter-gather off",
      "docker: docker is running",
      "docker: the user debian may use docker",
      `docker_images: the image ${image} is in Docker's cache`,
      "path: PATH of services begins with /usr/local/bin",
      "root_key: root has a private SSH key, with mode 0600",
      "recipe: on a worker Docker has its usual folder",
      "recipe: on a worker the firewall's rules are in the kernel",
    ])
      assert.ok(passed(what), `${what}\n${proven.join("\n")}`);
    assert.ok((await stack.outputs()).images?.local.debian12);
  });
});
