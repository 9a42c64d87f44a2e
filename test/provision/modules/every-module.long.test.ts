// Every module of the library, with all example settings of its schema, on every distribution: the bash that it renders
// is sound, and no text from the settings escapes its quotes.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { execa } from "execa";
import fc from "fast-check";
import { UserError } from "../../../common/user-error.ts";
import { distributions, findDistribution } from "../../../provision/distributions.ts";
import { libraryFolder, ModuleCatalogue } from "../../../provision/recipe/load-modules.ts";
import type { Distribution, ModuleFile } from "../../../provision/module.ts";
import { RecordingRoot } from "../../../provision/plan/root.ts";
import { examplesOf, textsIn } from "./examples.ts";
import { runWithoutCommands } from "./no-commands.ts";

const catalogue = new ModuleCatalogue([libraryFolder]);
let folder: string;

/** Records files that modules write, and which uploads they ask for, so that `record` can create missing ones. */
class EagerRoot extends RecordingRoot {
  readonly files: { path: string; content: string }[] = [];
  readonly wanted: string[] = [];

  override upload(source: string, options?: { isScript?: boolean }): string {
    this.wanted.push(source);
    return super.upload(source, options);
  }

  override file(path: string, content: string, options?: { mode?: string; owner?: string }): void {
    this.files.push({ path, content });
    super.file(path, content, options);
  }

  /** All bash that the module renders: steps, checks, and scripts that it writes into the image. */
  get scripts(): string[] {
    const steps = this.steps.flatMap((step) => (step.kind === "script" ? [step.script] : []));
    const checks = this.checks.map(({ script }) => `${script}\n`);
    return [...steps, ...checks, ...this.files.flatMap(({ content }) => (isBash(content) ? [content] : []))];
  }
}

const isBash = (content: string) => content.startsWith("#!/bin/bash\n");

/** Runs a module, creating files that it wants to upload. @returns what it recorded, or its refusal. */
async function record(name: string, settings: unknown, distribution: Distribution): Promise<EagerRoot | UserError> {
  const file = await catalogue.load(name);
  const cfg = settings === undefined ? {} : { [file.settingsKey ?? name]: settings };
  const made = new Set<string>();
  for (;;) {
    const root = new EagerRoot({ module: name, distribution, folder, requireSecret: () => {} });
    try {
      await file.modify(name, root, cfg);
      return root;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const missing = root.wanted.at(-1);
      if (missing === undefined || made.has(missing) || !/cannot be read .ENOENT/.test(error.message)) return error;
      made.add(missing);
      await mkdir(dirname(join(folder, missing)), { recursive: true });
      await writeFile(join(folder, missing), "a file\n");
    }
  }
}

/** The module's example settings, and `undefined` if settings are optional. */
function settingsOf({ settings, settingsRequired }: ModuleFile): unknown[] {
  return [...(settingsRequired ? [] : [undefined]), ...(settings ? examplesOf(settings) : [])];
}

describe("every module of the library", function () {
  this.timeout("4m");
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-every-"));
  });
  after(() => rm(folder, { recursive: true }));

  for (const name of catalogue.names) {
    it(`${name}: renders sound scripts on every distribution, or refuses the distribution by name`, async () => {
      const file = await catalogue.load(name);
      const shown = (file.settings as { examples?: unknown[] } | undefined)?.examples ?? [];
      const scripts = new Set<string>();
      for (const distribution of distributions) {
        for (const settings of settingsOf(file)) {
          const root = await record(name, settings, distribution);
          if (!(root instanceof UserError)) for (const script of root.scripts) scripts.add(script);
          // A module may refuse combinations made here, such as a password without keep_secret, but not its own
          // examples.
          else if (shown.includes(settings)) assert.ok(root.message.includes(distribution.id), root.message);
        }
      }
      assert.ok(scripts.size > 0);
      await assertInOrder(name, [...scripts]);
    });
  }

  for (const name of catalogue.names) {
    it(`${name}: lets no text from its settings escape its quotes`, async function () {
      const file = await catalogue.load(name);
      if (!file.settings) return;
      const validate = new Ajv({ strict: false }).compile(file.settings);
      const places = examplesOf(file.settings).flatMap((each) => textsIn(each));
      const distinct = [...new Map(places.map((place) => [place.path.replaceAll(/\d+/g, ""), place])).values()];
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { minLength: 2, maxLength: 4 }), async (texts) => {
          const tried = await rendered(name, distinct, texts, validate);
          const escaped = await runWithoutCommands(tried.map(({ scripts }) => scripts));
          assert.deepEqual(
            escaped.map((index) => tried[index]?.what),
            [],
          );
        }),
        { numRuns: 4 },
      );
    });
  }

  it("is tested by a search that finds escaped texts", async () => {
    const escaping = ["echo $(>escaped)", "echo fine\n>escaped\n", "echo ''>escaped''", "false && true || >escaped"];
    const quoted = [
      "echo '$(>escaped)'",
      "exit 1",
      "cat <<'END'\n>escaped\n`>escaped`\nEND\n",
      "nginx --version | grep x",
    ];
    assert.deepEqual(await runWithoutCommands([...escaping, ...quoted].map((each) => [each])), [0, 1, 2, 3]);
  });
});

/** Texts that create a file `escaped` in the working folder if bash interprets them. */
const hostile = fc
  .array(
    fc.constantFrom(
      "'",
      '"',
      "\\",
      "`>escaped`",
      "$(>escaped)",
      "\n>escaped\n",
      ";>escaped;",
      "&>escaped&",
      "|>escaped|",
      "')>escaped ('",
      "END_OF_TEXT\n>escaped\n",
      "\nEND\n>escaped\n",
      "${x:-$(>escaped)}",
      "$",
      "#",
      " ",
      "a",
      "*",
      "-",
      "é",
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.join(""));

interface Tried {
  what: string;
  scripts: string[];
}

/** Renders a module with hostile texts in each place, in several forms, because its patterns refuse some. */
async function rendered(
  name: string,
  places: ReturnType<typeof textsIn>,
  texts: readonly string[],
  validate: ValidateFunction,
): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const place of places) {
    // The module `run` is meant to run the user's scripts.
    if (name === "run" && !/\.(name|source)$/.test(place.path)) continue;
    for (const text of texts) {
      const line = text.replaceAll("\n", "");
      for (const form of [text, line, `${place.text}${text}`, `${place.text} ${line}`, `/${line}x`]) {
        // Paths of uploads don't reach the script; only file names do.
        if (form.includes("/") && /source$|^\[\d+\]$/.test(place.path) && /^(files|run|install_|ca_)/.test(name))
          continue;
        const settings = place.replaced(form);
        if (!validate(settings)) continue;
        for (const distribution of ["debian12", "rocky9"]) {
          const root = await record(name, settings, findDistribution(distribution));
          if (root instanceof UserError) continue;
          tried.push({ what: `${place.path} = ${JSON.stringify(form)}`, scripts: root.scripts });
        }
      }
    }
  }
  return tried;
}

/**
 * Fails if bash -n or shellcheck complains. SC2016: `$` in passed-on scripts is intended. SC2041, SC2043: so are loops
 * over one item.
 */
async function assertInOrder(name: string, scripts: readonly string[]): Promise<void> {
  const files = scripts.map((_script, index) => join(folder, `${name}-${index}.sh`));
  for (const [index, script] of scripts.entries()) await writeFile(files[index] ?? "", script);
  const parsing = 'for file in "$@"; do bash -n "$file" || exit 1; done';
  const { stderr } = await execa("bash", ["-c", parsing, "bash", ...files], { reject: false });
  assert.equal(stderr, "");
  const options = ["--shell=bash", "--severity=warning", "--exclude=SC2016,SC2041,SC2043"];
  const { stdout } = await execa("shellcheck", [...options, ...files], { reject: false });
  assert.equal(stdout, "");
}
