// The recipes of the old images can be planned, and have every row of the old images' table in the same order.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { UserError } from "../../common/user-error.ts";
import { planRecipe } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { sealVersion } from "../../provision/seal/seal.ts";

const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n";

/** The table's rows with the modules that replace them. `only` marks rows of a single distribution. */
const rows: [row: string, modules: string[], only?: "centos" | "ubuntu"][] = [
  ["OS updates, kernel, reboot", ["os_updates"]],
  ["umask", ["umask"]],
  ["sudo", ["sudo"]],
  ["repositories", ["repositories"]],
  ["development tools and required packages", ["development_tools", "install_packages", "java"]],
  ["network card fix", ["network_card_fix"]],
  ["ZFS", ["zfs"], "centos"],
  ["SELinux and firewall", ["selinux", "firewall"], "centos"],
  ["docker", ["docker"]],
  ["/bin/sh is bash", ["bash_as_sh"], "ubuntu"],
  ["known_hosts and root's key", ["known_hosts", "root_key"]],
  ["fpm", ["fpm"]],
  ["docker images", ["docker_images"]],
  ["git from source, PATH", ["git", "path"]],
  ["pip, wheels", ["pip", "wheel_cache"]],
  ["nginx", ["nginx"]],
  ["slave_config", ["slave_config"]],
  ["PyPy", ["pypy"]],
  ["idle shutdown", ["idle_shutdown"]],
];

async function plan(name: string, secrets: Record<string, string> = { ROOT_KEY: key }) {
  const file = fileURLToPath(new URL(`../../provision/recipes/${name}.yaml`, import.meta.url));
  const recipe = await loadRecipe(file);
  const [distribution] = recipe.distributions;
  assert.ok(distribution);
  return planRecipe(recipe, distribution, { sealVersion, secrets });
}

for (const [system, distribution] of [
  ["centos", "rocky9"],
  ["ubuntu", "ubuntu24.04"],
] as const) {
  const name = `jenkins-worker-${system}`;
  describe(`recipe ${name}`, () => {
    it(`has every row of the old table in order, on ${distribution}`, async () => {
      const { modules, distribution: planned } = await plan(name);
      const expected = rows.flatMap(([, names, only]) => (only === undefined || only === system ? names : []));
      assert.equal(planned.id, distribution);
      assert.deepEqual(
        modules.map((module) => module.name),
        expected,
      );
    });

    it("reboots after the updates, before anything is built for the kernel", async () => {
      const { modules } = await plan(name);
      assert.equal(modules.find((module) => module.name === "os_updates")?.steps.at(-1)?.kind, "reboot");
    });

    it("checks all facts of the old acceptance tests", async () => {
      const whats = (await plan(name)).checks.map(({ what }) => what).join("\n");
      const facts = [
        /umask is 0022/,
        /sudo keeps the environment/,
        /sudo needs no terminal/,
        /known_hosts exists with mode 0600/,
        /fpm is among the gems/,
        /the image busybox is in Docker's cache/,
        /git of \/usr\/local\/bin comes first in PATH/,
        /pip is the newest/,
        /slave_config exists with mode 0777/,
        /pypy is version/,
        /docker is running/,
        /docker is enabled/,
        /the package ethtool is installed/,
        /the user \w+ is in the group docker/,
        /nginx is installed/,
        /nginx is enabled/,
        /nginx is running/,
        /nginx answers on port 80/,
        system === "ubuntu" ? /\/bin\/sh is bash/ : /SELinux is enforcing/,
        system === "ubuntu" ? /packages of universe are known/ : /firewalld is enabled/,
        system === "ubuntu" ? /packages of multiverse are known/ : /ZFS is built without stripping/,
        system === "ubuntu" ? /packages of restricted are known/ : /the repository EPEL is there/,
      ];
      for (const fact of facts) assert.match(whats, fact);
    });

    it("never has root's key in a script, and says how to set a missing one", async () => {
      const { modules } = await plan(name);
      assert.doesNotMatch(JSON.stringify(modules), /b3BlbnNzaC1rZXktdjE/);
      assert.deepEqual(modules.find((module) => module.name === "root_key")?.usesSecrets, ["ROOT_KEY"]);
      await assert.rejects(
        plan(name, {}),
        (error) => error instanceof UserError && /no secret "ROOT_KEY".*pulumi config set --secret/.test(error.message),
      );
    });
  });
}
