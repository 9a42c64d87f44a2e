// What single verbs do with their options, on a stack that only has a state and settings.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { ExportedState } from "../../cli/exported-state.ts";
import { Output } from "../../cli/output.ts";
import type { Session } from "../../cli/session.ts";
import { SettingsFile } from "../../cli/settings-file.ts";
import type { StackChoice } from "../../cli/stack.ts";
import type { Call } from "../../cli/verb.ts";
import { findVerb } from "../../cli/verbs.ts";
import { findCloud } from "../../components/clouds.ts";

const at = (type: string, name: string) => ({ urn: `urn:pulumi:s::ci-images::${type}::${name}`, type });
const workerImage = (name: string, recipeName = "worker") => ({
  ...at("ci-images:index:WorkerImage", name),
  outputs: { recipeName, outputKey: name },
});
const login = (worker: string, recipe = "1a2b3c4d") => ({
  ...at("ci-images:index:Login", `${worker}-${recipe}-login`),
  created: "2026-11-21T10:00:00Z",
  outputs: { worker, recipe, host: "127.0.0.1", port: 1, user: "u", power: "off" },
});
const outputs = (...names: string[]) => {
  const images = names.map((name) => [name, { recipe: "1a2b3c4d", builtAt: "T", disk: `/images/${name}.qcow2` }]);
  return { ...at("pulumi:pulumi:Stack", "s"), outputs: { images: { local: Object.fromEntries(images) as object } } };
};
const both = [
  outputs("debian12", "debian13"),
  workerImage("debian12"),
  workerImage("debian13"),
  at("ci-images:local:Image", "debian12-1a2b3c4d"),
  at("ci-images:local:Image", "debian13-1a2b3c4d"),
];

describe("a verb", () => {
  let folder: string;
  let printed: string;
  /** What the verb asked of the stack. */
  let choices: StackChoice[];
  let placed: object[];
  let replaced: string[] | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-verbs-"));
    await writeFile(join(folder, "Pulumi.s.yaml"), "config:\n  ci-images:cloud: local\n");
    [printed, choices, placed, replaced] = ["", [], [], undefined];
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Runs a verb on a stack with these resources. */
  async function run(name: string, resources: object[], options: Partial<Call["options"]> = {}, ...operands: string[]) {
    const cloud = options.cloud ?? "local";
    const state = new ExportedState({ version: 3, deployment: { resources } });
    const outcome = { steps: undefined, took: 1 };
    const stack = {
      ...{ name: "s", project: "ci-images", facts: findCloud(cloud), settings: new SettingsFile(folder, "s") },
      state: () => Promise.resolve(state),
      place: (choice: object) => Promise.resolve(placed.push(choice)),
      forgetInterrupted: () => Promise.resolve(),
      refresh: () => Promise.resolve(),
      preview: () => Promise.resolve({ explanations: [], recipes: new Map() }),
      up: (_: string, { replace }: { replace?: string[] } = {}) => Promise.resolve(((replaced = replace), outcome)),
      destroy: () => Promise.resolve(outcome),
    };
    const session = { stack: (choice: StackChoice) => Promise.resolve((choices.push(choice), stack)) };
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        printed += chunk.toString();
        done();
      },
    });
    const call = {
      operands,
      options,
      session: session as unknown as Session,
      output: new Output(false, false, sink, sink),
    };
    return await findVerb(name)!.run(call);
  }

  describe("with --distribution", () => {
    for (const name of ["status", "export", "diff", "ssh", "down", "destroy", "doctor"]) {
      it(`keeps the settings: ${name}`, async () => {
        await run(name, both, { distribution: ["debian12"] }, join(folder, "all.yaml")).catch(() => {});
        assert.equal(choices[0].keepSettings, true);
        assert.deepEqual(placed, []);
        assert.equal(new SettingsFile(folder, "s").get("distributions"), undefined);
      });
    }

    it("shows and exports only that distribution", async () => {
      await run("status", both, { distribution: ["bookworm"], json: true });
      const { images } = JSON.parse(printed) as { images: { place: string[] }[] };
      assert.deepEqual(
        images.map(({ place }) => place),
        [["local", "debian12"]],
      );
      printed = "";
      await run("export", both, { distribution: ["debian13"], dryRun: true }, join(folder, "all.yaml"));
      assert.match(printed, /debian13/);
      assert.doesNotMatch(printed, /debian12/);
      for (const name of ["status", "export"]) {
        const nothing = run(name, both, { distribution: ["rocky9"], json: true }, join(folder, "all.yaml"));
        await assert.rejects(nothing, /--distribution: rocky9, of which .* has nothing; allowed: debian12, debian13/);
      }
    });

    it("repeats only that distribution's tests, and bakes it if it isn't there", async () => {
      const command = (name: string) => at("command:remote:Command", name);
      const commands = ["debian12-1a2b3c4d-tests", "debian13-1a2b3c4d-tests"].map(command);
      await run("tests", [...both, ...commands], { distribution: ["debian13"] });
      assert.deepEqual(replaced, [commands[1].urn]);
      assert.deepEqual([choices[0].distribution, placed], [undefined, []]);
      await run("tests", both, { distribution: ["debian13", "rocky9"] });
      assert.deepEqual(placed, [{ distribution: ["debian13", "rocky9"] }]);
    });

    it("refuses to act on other distributions too", async () => {
      const logins = [login("debian12"), login("debian13")];
      for (const name of ["down", "destroy"]) {
        const refused = new RegExp(`--distribution: debian12, but ${name} acts on the whole stack, also on debian13`);
        await assert.rejects(run(name, [...both, ...logins], { distribution: ["debian12"] }), refused);
        assert.equal(new SettingsFile(folder, "s").get("stage"), undefined);
      }
      await assert.rejects(run("destroy", both, { distribution: ["debian12"], images: true, yes: true }), /debian13/);
      await run("down", [...both, logins[0]], { distribution: ["debian12"] });
      assert.match(printed, /debian12 {2}powered off/);
    });
  });

  it("publish imports no image for which the stack would lose those of another distribution", async () => {
    const plan = { recipe: "1a2b", name: "worker", distribution: "debian13", base: {}, modules: [] };
    const image = { ...plan, size: 1, plan, builtAt: "T", files: [], base: { id: "b", description: "" } };
    await writeFile(join(folder, "manifest.json"), JSON.stringify(image));
    await writeFile(join(folder, "proof.json"), "{}");
    const [there, kept] = [workerImage("debian12"), at("ci-images:ec2:ImportedImage", "debian12-1a2b3c4d")];
    await assert.rejects(
      run("publish", [there, kept], { cloud: "ec2" }, folder),
      /stack s: it has debian12, which would/,
    );
    const other = { cloud: "ec2", distribution: ["debian12"] };
    await assert.rejects(run("publish", [], other, folder), /--distribution: debian12; allowed: debian13/);
    assert.equal(new SettingsFile(folder, "s").get("image"), undefined);
    await run("publish", [], { ...other, distribution: ["trixie"] }, folder);
    assert.equal(new SettingsFile(folder, "s").get("image"), folder);
    assert.equal(choices.at(-1)!.distribution, undefined);
  });

  describe("that is refused", () => {
    const settings = () => new SettingsFile(folder, "s");

    it("leaves the settings alone: tests of an unknown recipe", async () => {
      await assert.rejects(run("tests", both, { recipe: "workr" }), /did you mean worker\?/);
      assert.equal(settings().get("stage"), undefined);
    });

    it("leaves the settings alone: down, if the image has been made of the builder", async () => {
      const end = (name: string) => at("ci-images:local:Retirement", `${name}-1a2b3c4d-retirement`);
      const ended = [...both, login("debian12"), end("debian12")];
      await assert.rejects(run("down", ended), /stack s: no builder; cure: \.\/ci-images up makes one/);
      assert.equal(settings().get("power"), undefined);
      await run("down", [...ended, login("debian13")]);
      assert.match(printed, /^debian13 {2}powered off {2}next: \.\/ci-images up$/m);
      assert.doesNotMatch(printed, /debian12/);
    });
  });
});
