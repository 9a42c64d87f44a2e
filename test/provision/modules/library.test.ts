// The module library without a machine: what modules record and refuse.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { UserError } from "../../../common/user-error.ts";
import { distributions, findDistribution } from "../../../provision/distributions.ts";
import { libraryFolder, ModuleCatalogue } from "../../../provision/recipe/load-modules.ts";
import { RecordingRoot } from "../../../provision/plan/root.ts";
import { execa } from "execa";
import { refusedOn, workerSettings } from "./worker-settings.ts";

const catalogue = new ModuleCatalogue([libraryFolder]);

/** Settings that use all features of a module; `undefined` if the defaults do. */
const fullSettings: Record<string, unknown> = {
  os_updates: { reboot: true },
  add_user: ["harlowja", { name: "builder", groups: ["docker"], ssh_keys: ["ssh-ed25519 AAAAC3Nza it's me"] }],
  install_packages: { apt: ["make", "git=1:2.39*"], dnf: ["make", "@development"] },
  install_debs: ["package.deb"],
  install_rpms: ["package.rpm"],
  umask: "0027",
  known_hosts: [{ host: "git.example.com", keys: ["ssh-ed25519 AAAAC3Nza"] }],
  java: { version: 17 },
  idle_shutdown: { grace: "5min", interval: "10s", process: "it's.*busy" },
  files: [
    { path: "/etc/it's here", content: "$(reboot)\n", mode: "0600" },
    { path: "/opt/tool", source: "package.deb" },
  ],
  run: ["echo one", { name: "it's two", script: "echo two" }, { source: "package.rpm" }],
  ...workerSettings,
};

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-images-library-"));
  await mkdir(join(folder, "certificates"));
  for (const name of ["package.deb", "package.rpm", "certificates/example-root.pem"])
    await writeFile(join(folder, name), name);
});
after(() => rm(folder, { recursive: true }));

/** Settings to test a module with: those above, or its first example if it requires settings. */
async function settingsOf(name: string): Promise<unknown> {
  const { settings, settingsRequired } = await catalogue.load(name);
  return fullSettings[name] ?? (settingsRequired && settings ? example(settings) : undefined);
}

async function record(module: string, settings: unknown, distribution = "debian12"): Promise<RecordingRoot> {
  const file = await catalogue.load(module);
  const root = new RecordingRoot({
    module,
    distribution: findDistribution(distribution),
    folder,
    requireSecret: () => {},
  });
  await file.modify(module, root, settings === undefined ? {} : { [file.settingsKey ?? module]: settings });
  return root;
}

const scripts = (root: RecordingRoot) =>
  root.steps.map((step) => (step.kind === "script" ? step.script : "reboot")).join("\n");

const refuses = (module: string, settings: unknown, says: RegExp, distribution?: string) =>
  assert.rejects(
    record(module, settings, distribution),
    (error) => error instanceof UserError && says.test(error.message),
  );

/** Texts that passed: many modules record the same on several distributions. */
const passed = new Set<string>();

async function passesShellcheck(text: string): Promise<void> {
  if (passed.has(text)) return;
  // A loop over a list from the settings may run only once.
  const options = ["--shell=bash", "--severity=warning", "--exclude=SC2043", "-"];
  const { stdout } = await execa("shellcheck", options, { input: text, reject: false });
  assert.equal(stdout, "");
  passed.add(text);
}

describe("the module library", () => {
  it("has all modules of the old workers' common part", () => {
    const expected =
      "add_user bash_as_sh files git idle_shutdown install_debs install_packages install_rpms java known_hosts nginx os_updates run slave_config sudo umask";
    for (const name of expected.split(" ")) assert.ok(catalogue.names.includes(name), name);
  });

  for (const name of catalogue.names) {
    it(`${name}: describes itself and its settings, with valid examples`, async () => {
      const { description, settings } = await catalogue.load(name);
      assert.match(description, /^[A-Z].{10,}[^.]$/);
      if (!settings) return;
      const schema = settings as Schema;
      for (const part of [schema, ...Object.values(schema.properties ?? {})]) {
        const validate = new Ajv({ strict: false }).compile(part);
        for (const example of part.examples ?? [])
          assert.ok(validate(example), JSON.stringify([example, validate.errors]));
      }
      const validate = new Ajv({ strict: false }).compile(schema);
      assert.ok(validate(fullSettings[name] ?? example(schema)), JSON.stringify(validate.errors));
      assert.deepEqual(propertiesWithout("description", settings), []);
      assert.deepEqual(propertiesWithout("examples", settings), []);
    });

    for (const distribution of ["debian12", "ubuntu24.04", "rocky9", "amazonlinux2023"]) {
      if (refusedOn[name]?.includes(distribution)) {
        it(`${name}: is refused on ${distribution}`, () => refuses(name, fullSettings[name], /./, distribution));
        continue;
      }
      it(`${name}: records the same bash every time on ${distribution}, and it passes shellcheck`, async () => {
        const given = await settingsOf(name);
        const root = await record(name, given, distribution);
        const text = [scripts(root), ...root.checks.map(({ script }) => `(\n${script}\n)`)].join("\n");
        await passesShellcheck(text);
        assert.equal(scripts(await record(name, given, distribution)), scripts(root));
        if (name !== "run") assert.ok(root.checks.length > 0, "it has no checks");
      });
    }
  }

  it("os_updates: reboots after the updates, but only on request", async () => {
    assert.deepEqual(
      (await record("os_updates", undefined)).steps.map(({ kind }) => kind),
      ["script"],
    );
    assert.deepEqual(
      (await record("os_updates", { reboot: true })).steps.map(({ kind }) => kind),
      ["script", "reboot"],
    );
  });

  it("os_updates: upgrades Amazon Linux to the given release, or says that it stays on its release", async () => {
    const programs = await mkdtemp(join(tmpdir(), "ci-images-dnf-"));
    await writeFile(join(programs, "dnf"), '#!/bin/sh\necho "dnf $*"\n', { mode: 0o755 });
    await writeFile(join(programs, "rpm"), "#!/bin/sh\nprintf 2023.9.20251110\n", { mode: 0o755 });
    /** Output of the module's script and its check. */
    const said = async (settings: unknown, distribution = "amazonlinux2023") => {
      const root = await record("os_updates", settings, distribution);
      const steps = root.steps.flatMap((step) => (step.kind === "script" ? [step.script] : []));
      const script = [...steps, ...root.checks.map(({ script }) => script)].join("\n");
      const { stdout } = await execa("bash", ["-c", script], { env: { PATH: `${programs}:${process.env.PATH}` } });
      return stdout.split("\n");
    };
    try {
      const upgraded = ["dnf -y upgrade --releasever=latest", "dnf -q -C check-update --releasever=latest"];
      assert.deepEqual(await said({ releasever: "latest" }), upgraded);
      const [upgrade, notice, ...check] = await said(undefined);
      assert.deepEqual([upgrade, ...check], ["dnf -y upgrade", "dnf -q -C check-update"]);
      assert.match(notice, /updates of 2023\.9\.20251110 only, .*os_updates\.releasever: latest/);
      assert.deepEqual(await said({ releasever: "latest" }, "rocky9"), ["dnf -y upgrade", "dnf -q -C check-update"]);
    } finally {
      await rm(programs, { recursive: true });
    }
  });

  it("add_user: refuses root and duplicate users", async () => {
    await refuses("add_user", ["root"], /add_users\[0\]\.name: root already exists/);
    await refuses("add_user", ["a", { name: "a" }], /add_users\[1\]\.name: the user "a" is in the list twice/);
  });

  it("add_user: accepts only public keys without options, and names that sudo accepts", async () => {
    const { settings } = await catalogue.load("add_user");
    const validate = new Ajv({ strict: false }).compile(settings!);
    for (const wrong of [
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      `command="id" ssh-rsa AAAA`,
      "ssh-rsa AAAA a\nssh-rsa BBBB",
    ])
      assert.ok(!validate([{ name: "a", ssh_keys: [wrong] }]), wrong);
    for (const wrong of ["a.b", "-a", "A", "a b", ""]) assert.ok(!validate([wrong]), wrong);
  });

  it("install_packages: refuses settings without packages for the distribution", () =>
    refuses("install_packages", { apt: ["make"] }, /no list for dnf.*rocky9/, "rocky9"));

  it("install_debs: is refused on distributions without debs", () =>
    refuses("install_debs", ["package.deb"], /rocky9 does not install deb files.*install_rpms/, "rocky9"));

  for (const [module, distribution, extension] of [
    ["install_debs", "debian12", "deb"],
    ["install_rpms", "rocky9", "rpm"],
  ] as const) {
    it(`${module}: can run again: its ${extension} files are sent once and stay until sealing`, async () => {
      const root = await record(module, [`package.${extension}`], distribution);
      const script = root.steps.map((step) => (step.kind === "script" ? step.script : "")).join("\n");
      assert.match(script, /uploads=/);
      assert.doesNotMatch(script, /\brm\b/);
    });
  }

  it("install_rpms: names a missing file", () => refuses("install_rpms", ["missing.rpm"], /missing\.rpm/));

  it("java: refuses a version that the distribution lacks, and lists those that it has", () =>
    refuses("java", { version: 8 }, /debian12 has no Java 8; allowed: 17/));

  it("java: knows the versions of every distribution", async () => {
    for (const { id } of distributions) await assert.rejects(record("java", { version: 99 }, id), UserError, id);
  });

  it("idle_shutdown: is refused without systemd", () =>
    refuses("idle_shutdown", undefined, /ubuntu14\.04 starts services by upstart/, "ubuntu14.04"));

  it("umask: must be quoted", async () => {
    const validate = new Ajv({ strict: false }).compile((await catalogue.load("umask")).settings!);
    assert.ok(validate("022") && validate("0027") && !validate(22) && !validate("0o22") && !validate("888"));
  });

  it("files: demands either content or a source, and an absolute path", async () => {
    const validate = new Ajv({ strict: false }).compile((await catalogue.load("files")).settings!);
    assert.ok(
      !validate([{ path: "/a" }]) &&
        !validate([{ path: "/a", content: "", source: "b" }]) &&
        !validate([{ path: "a", content: "" }]),
    );
  });
});

interface Schema {
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  description?: string;
}

/** Valid settings: an example of the whole, or of one property. */
function example(schema: Schema): unknown {
  const [key, property] = Object.entries(schema.properties ?? {}).find(([, each]) => each.examples) ?? [];
  return schema.examples?.[0] ?? (key === undefined ? undefined : { [key]: property?.examples?.[0] });
}

/** Paths of the properties that lack `key`. */
function propertiesWithout(key: "description" | "examples", schema: Schema, path = ""): string[] {
  const inner = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
      ...(property[key] === undefined && property.items === undefined ? [`${path}/${name}`] : []),
      ...propertiesWithout(key, property, `${path}/${name}`),
    ]),
    ...(schema.anyOf ?? []).flatMap((option) => propertiesWithout(key, option, path)),
  ];
  return schema.items ? [...inner, ...propertiesWithout(key, schema.items, `${path}[]`)] : inner;
}
