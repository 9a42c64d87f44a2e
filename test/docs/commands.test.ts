// Every command line of ours that the documentation and the help show is one that the command line understands.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgsStringToArgv } from "string-argv";
import { readCalls } from "../../cli/main.ts";
import { verbs } from "../../cli/verbs.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** What stands for something that the reader fills in, before any verb. */
const placeholders = /^(VERB|\.\.\.)/;

/** What is typed after `./ci-images` or `npx ci-images`: up to a comment, a pipe, or the end of the code. */
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

describe("command lines that are shown", () => {
  const documents = ["README.md", ...readdirSync(join(projectDirectory, "docs")).map((name) => `docs/${name}`)];

  for (const document of documents) {
    const shown = commandLines(readFileSync(join(projectDirectory, document), "utf8"));
    if (shown.length === 0) continue;
    it(`${document}: all ${shown.length} are understood`, () => shown.forEach(assertUnderstood));
  }

  for (const { name, examples } of verbs) {
    it(`help ${name}: its examples are understood`, () => {
      for (const example of examples) assertUnderstood(example.replace(/\s+\|.*$/, ""));
    });
  }
});
