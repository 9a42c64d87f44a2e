// Quoting for the shell, tested with the real bash.
import assert from "node:assert/strict";
import fc from "fast-check";
import { feed, quote, quoteAll } from "../../provision/shell/shell.ts";
import { bash } from "./bash.ts";

const text = fc
  .oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom("'", '"', "\\", "$", "`", "!", "\n", "\r", "\t", " ", "*", "~", "-", "#", "é", "a"),
    }),
  )
  .map((each) => each.replaceAll("\0", ""));

describe("shell quoting", () => {
  it("passes any value to bash unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 30 }), async (values) => {
        const { stdout } = await bash(`printf '%s\\0' ${quoteAll(values)}`);
        assert.deepEqual(String(stdout).split("\0").slice(0, -1), values);
      }),
      { numRuns: 25 },
    );
  });

  it("feeds a command any text byte by byte, with or without a final line break", async () => {
    const endings = text.chain((each) => fc.constantFrom(each, `${each}\n`, `END_OF_TEXT\n${each}\nEND_OF_TEXT_2\n`));
    await fc.assert(
      fc.asyncProperty(fc.array(endings, { minLength: 1, maxLength: 10 }), async (values) => {
        const { stdout } = await bash(values.map((value) => `cat ${feed(value)}\nprintf '\\0'\n`).join(""));
        assert.deepEqual(String(stdout).split("\0").slice(0, -1), values);
      }),
      { numRuns: 25 },
    );
  });

  it("refuses NUL, which a shell can't represent", () => {
    assert.throws(() => quote("a\0b"), /NUL/);
    assert.throws(() => feed("a\0b\n"), /NUL/);
  });
});
