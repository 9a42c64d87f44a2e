// The command line understands every command that the documentation and the help show.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgsStringToArgv } from "string-argv";
import { readCalls } from "../../cli/main.ts";
import { verbs } from "../../cli/verbs.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** Placeholders that the reader replaces with a verb. */
const placeholders = /^(VERB|\.\.\.)/;

/** The words after `./ci-images` or `npx ci-images`, up to a comment, a pipe, or the end of the code. */
function commandLines(text: string): string[] {
  const found = [...text.matchAll(/(?:npx |\.\/)ci-images ([^`\n]+)/g)].map(([, words]) =>
    words.replace(/\s+(#|\|).*$/, ""),
  );
  return found.map((words) => words.trim()).filter((words) => words !== "" && !placeholders.test(words));
}

function assertUnderstood(words: string): void {
  const calls = readCalls(parseArgsStringToArgv(words));
  assert.ok(calls.length > 0, words);
}

describe("the documented command lines", () => {
  const documents = ["README.md", ...readdirSync(join(projectDirectory, "docs")).map((name) => `docs/${name}`)];

  for (const document of documents) {
    const shown = commandLines(readFileSync(join(projectDirectory, document), "utf8"));
    if (shown.length === 0) continue;
    it(`of ${document} are understood, all ${shown.length}`, () => shown.forEach(assertUnderstood));
  }

  for (const { name, examples } of verbs) {
    it(`of \`help ${name}\` are understood`, () => {
      for (const example of examples) assertUnderstood(example.replace(/\s+\|.*$/, ""));
    });
  }
});
