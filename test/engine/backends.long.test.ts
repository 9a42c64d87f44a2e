// Shared backends: moto's S3 and a real PostgreSQL. Runs the commands of docs/teams.md in a checkout whose user has
// worked with a local state before.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { projectDirectory, pulumiHome } from "../../toolchain/versions.mjs";
import { awsVariables, startMoto } from "../emulators/moto.ts";
import { startPostgres } from "../emulators/postgres.ts";

interface Backend {
  url: string;
  variables: Record<string, string>;
  stop: () => Promise<void>;
}

const backends: Record<string, () => Promise<Backend>> = {
  async "moto's S3"() {
    const moto = await startMoto();
    const made = await fetch(`${moto.url}/our-bucket`, { method: "PUT" });
    assert.equal(made.status, 200, await made.text());
    const query = new URLSearchParams({
      endpoint: moto.url,
      s3ForcePathStyle: "true",
      region: "us-east-1",
    });
    return { url: `s3://our-bucket?${query.toString()}`, variables: awsVariables(moto.url), stop: moto.stop };
  },
  async PostgreSQL() {
    const { url, stop } = await startPostgres();
    return { url, variables: {}, stop };
  },
};

/** What a user's home directory would provide. Base images come from the cache that all tests share. */
const shared = {
  PULUMI_HOME: pulumiHome(process.env),
  CI_IMAGES_CACHE: process.env.CI_IMAGES_CACHE ?? join(homedir(), ".cache/ci-images"),
  npm_config_update_notifier: "false",
};

describe("a shared backend", function () {
  this.timeout(900_000);
  let folder: string;
  let checkout: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-backend-"));
    checkout = join(folder, "checkout");
    await mkdir(checkout);
    const { stdout } = await execa("git", ["ls-files", "-z"], { cwd: projectDirectory });
    for (const file of stdout.split("\0").filter((name) => name !== "" && !name.startsWith("test/"))) {
      await cp(join(projectDirectory, file), join(checkout, file), { recursive: true, verbatimSymlinks: true });
    }
    await mkdir(join(checkout, "node_modules/.bin"), { recursive: true });
    // Packages are linked, but the checkout has its own launcher, because the launcher picks the state.
    for (const name of await readdir(join(projectDirectory, "node_modules"))) {
      if (name.startsWith(".") || name === "pulumi") continue;
      await symlink(join(projectDirectory, "node_modules", name), join(checkout, "node_modules", name));
    }
    await symlink("../toolchain/launcher", join(checkout, "node_modules/pulumi"));
    await symlink("../pulumi/bin/pulumi", join(checkout, "node_modules/.bin/pulumi"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs commands like a user at a shell who stops at the first failure. */
  async function shell(script: string, variables: Record<string, string> = {}): Promise<string> {
    const env = { HOME: folder, ...shared, ...variables };
    const run = await execa("bash", ["-euo", "pipefail", "-c", script], {
      cwd: checkout,
      env,
      all: true,
      reject: false,
    });
    assert.equal(run.exitCode, 0, `${script}\n${run.all}`);
    return run.all;
  }

  for (const [name, start] of Object.entries(backends)) {
    it(`on ${name} works with the documented commands, even in a checkout that used a local state before`, async () => {
      const page = await readFile(join(projectDirectory, "docs/teams.md"), "utf8");
      const documented = /```sh\n([\s\S]*?)```/.exec(page)![1];
      const recipe = join(folder, "recipe.yaml");
      await writeFile(recipe, "name: shared\ndistribution: debian12\nmodules: [run]\nrun: [install -d /srv/shared]\n");
      const settings = { recipe, imageDirectory: join(folder, "images"), verify: "false", cloud: "local" };
      const config = Object.entries(settings).map(
        ([key, value]) => `npx pulumi config set ci-images:${key} '${value}' -s production`,
      );
      await shell(
        ["cp Pulumi.ec2.yaml Pulumi.production.yaml", "npx pulumi stack init production", ...config].join("\n"),
      );
      assert.match(await readFile(join(checkout, "Pulumi.production.yaml"), "utf8"), /^encryptionsalt: /m);

      const backend = await start();
      try {
        assert.ok(documented.includes("s3://our-bucket"), documented);
        const script = documented

          .replaceAll("s3://our-bucket", `'${backend.url}'`)
          .replace("cp Pulumi.ec2.yaml Pulumi.production.yaml\n", "");
        const output = await shell(
          script.replaceAll("pulumi up -s production", "pulumi up -s production --yes"),
          backend.variables,
        );
        assert.match(output, /Resources:\n.*created/);
        const variables = {
          ...backend.variables,
          PULUMI_BACKEND_URL: backend.url,
          PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, ".config/ci-images-passphrase"),
        };
        assert.match(await shell("npx pulumi stack ls", variables), /production/);
        await shell("npx pulumi destroy -s production --yes --skip-preview", variables);
      } finally {
        await backend.stop();
      }
    });
  }
});
