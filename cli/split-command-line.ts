// Splits a command line into verbs. Several verbs can be on one line, and the old tool's spelling works, too
// (`cloud:ec2 up`, `it:cloud=ec2`).
import { nearest } from "../common/nearest.ts";
import { UsageError } from "./verb.ts";

/** The facts about a verb that show where its words end and the next verb begins. */
export interface VerbShape {
  name: string;
  aliases?: readonly string[];
  /** The number of operands it takes. */
  operands: number;
  takesAllWords?: boolean;
  /** Whether an option (`-o`, `--output`) is followed by its value. */
  takesValue(option: string): boolean;
}

/** One verb with its words. */
export interface Segment {
  /** The verb's name, however it was spelled. */
  verb: string;
  words: string[];
}

/** The old tool's options before a verb: `cloud:ec2 region:us-west-2 distribution:centos7 up`. */
const oldOptions = ["cloud", "region", "distribution"];

/**
 * Splits a command line at its verbs. Options before the first verb apply to all of them.
 * @param verbs All verbs.
 * @param isCommonValue Whether an option before the first verb is followed by its value.
 * @throws UsageError for an unknown verb; it suggests the nearest one.
 */
export function splitCommandLine(
  words: readonly string[],
  verbs: readonly VerbShape[],
  isCommonValue: (option: string) => boolean,
): Segment[] {
  const common: string[] = [];
  const segments: Segment[] = [];
  const rest = [...words];
  let shape: VerbShape | undefined;
  let operands = 0;

  const begin = (next: VerbShape, own: string[] = []) => {
    shape = next;
    operands = own.includes("--") ? next.operands : 0;
    segments.push({ verb: next.name, words: own });
  };
  const add = (...added: string[]) => (segments.at(-1)?.words ?? common).push(...added);

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (shape?.takesAllWords && operands > 0) {
      add(word);
    } else if (word === "--") {
      if (!shape) throw new UsageError("-- comes before any verb");
      add(word, ...rest.splice(0));
    } else if (word.startsWith("-") && word !== "-") {
      add(word);
      const takesValue = shape ? shape.takesValue.bind(shape) : isCommonValue;
      if (!word.includes("=") && takesValue(word) && rest.length > 0) add(rest.shift()!);
    } else if (shape?.takesAllWords) {
      operands += 1;
      add(word);
    } else {
      const found = findVerb(word, verbs);
      const old = oldSpelling(word, verbs);
      if (found) begin(found);
      else if (old?.verb) begin(old.verb, old.words);
      else if (old) add(...old.words);
      else if (shape && operands < shape.operands) {
        operands += 1;
        add(word);
      } else throw unknownVerb(word, shape, verbs);
    }
  }
  if (segments.length === 0 && common.length > 0 && !common.some((word) => /^(-h|--help|--version)$/.test(word))) {
    throw new UsageError(`${common.join(" ")}: a verb is missing; \`./ci-images help\` lists them`);
  }
  if (segments.length === 0) return [{ verb: "help", words: common.filter((word) => word === "--version") }];
  return segments.map(({ verb, words: own }) => ({ verb, words: [...common, ...own] }));
}

/** Finds a verb by its name or an alias. */
function findVerb(word: string, verbs: readonly VerbShape[]): VerbShape | undefined {
  return verbs.find(({ name, aliases = [] }) => name === word || aliases.includes(word));
}

/** Parses `cloud:ec2`, `it:cloud=ec2,distribution=centos7` and `ssh:ls -l`; returns undefined for any other word. */
function oldSpelling(word: string, verbs: readonly VerbShape[]): { verb?: VerbShape; words: string[] } | undefined {
  const colon = word.indexOf(":");
  if (colon < 1) return undefined;
  const [head, tail] = [word.slice(0, colon), word.slice(colon + 1)];
  if (oldOptions.includes(head)) {
    if (tail === "")
      throw new UsageError(`${word}: a value is missing, e.g. ${head}:${head === "cloud" ? "ec2" : "..."}`);
    return { words: [`--${head}`, tail] };
  }
  const verb = findVerb(head, verbs);
  if (!verb) return undefined;
  if (verb.takesAllWords) return { verb, words: ["--", tail] };
  // In the old tool's spelling, `\,` is a comma within a value.
  const parts = tail.split(/(?<!\\),/).map((part) => part.replaceAll("\\,", ","));
  const pairs = parts.map((part) => /^([\w-]+)=(.+)$/s.exec(part) ?? wrongPart(word, part));
  return { verb, words: pairs.flatMap(([, key, value]) => [`--${key.replaceAll("_", "-")}`, value]) };
}

function wrongPart(word: string, part: string): never {
  throw new UsageError(`${word}: "${part}" is not KEY=VALUE, e.g. it:cloud=ec2,distribution=centos7`);
}

function unknownVerb(word: string, shape: VerbShape | undefined, verbs: readonly VerbShape[]): UsageError {
  const names = verbs.map(({ name }) => name);
  const near = nearest(word, names);
  const hint = near ? `did you mean ${near}?` : `allowed: ${names.join(", ")}`;
  const after = shape ? ` after ${shape.name}` : "";
  return new UsageError(`${word}${after}: no such verb; ${hint}`);
}
