// Reads a YAML file that holds a mapping, with errors that name the place. js-yaml reads recipes. The library `yaml` is
// for files whose comments and positions matter: here to find a value's spelling, in cli/ to change users' files.
import { CORE_SCHEMA, load, mergeTag, YAMLException } from "js-yaml";
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document } from "yaml";
import { UserError } from "../../common/user-error.ts";
import { readText } from "./read-text.ts";

/** The most values that a file may have, with all aliases expanded. */
const mostValues = 100_000;

/**
 * Reads a YAML file (YAML 1.2 with merge keys, `<<`).
 * @returns its top-level mapping.
 * @throws UserError if it can't be read, is not UTF-8, is not YAML (with line and column), is not a mapping, or has
 *   aliases that make it huge.
 */
export function readYaml(file: string): Record<string, unknown> {
  const text = readText(file, "a YAML file");
  let value: unknown;
  try {
    value = load(text, { filename: file, schema: CORE_SCHEMA.withTags(mergeTag) });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    if (!mark) throw new UserError({ where: file, found: `not YAML: ${reason}`, allowed: "one YAML document" });
    const place = `line ${mark.line + 1}, column ${mark.column + 1}`;
    throw new UserError({ where: file, found: `not YAML at ${place}: ${reason}\n${mark.snippet ?? ""}\n` });
  }
  refuseExpansion(file, value);
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UserError({
    where: file,
    found: `a ${Array.isArray(value) ? "list" : typeof value}`,
    allowed: "a mapping",
  });
}

/** Finds a value's spelling. @param path Keys and indexes from the top. @returns undefined if it is unknown. */
export type WrittenAs = (path: readonly (string | number)[], value: unknown) => string | undefined;

/**
 * The spelling of numbers, true and false in the file: `1.20`, which as a number is 1.2. Unknown if the file has another
 * value there than the given one.
 */
export function spellingsIn(file: string): WrittenAs {
  let document: Document | undefined;
  return (path, value) => {
    const whole = (document ??= parseDocument(readText(file, "a YAML file"), { merge: true }));
    let node: unknown = whole.contents;
    for (const key of path) node = childOf(node, key, whole);
    node = resolved(node, whole);
    return isScalar(node) && Object.is(node.value, value) ? node.source : undefined;
  };
}

/** The node at a key or index. A mapping's own keys win over those that a merge key brings in. */
function childOf(node: unknown, key: string | number, document: Document): unknown {
  const parent = resolved(node, document);
  if (isSeq(parent)) return parent.get(key, true);
  if (!isMap(parent)) return undefined;
  const own = parent.items.find((each) => isScalar(each.key) && String(each.key.value) === String(key));
  if (own) return own.value;
  const merged = resolved(parent.items.find(({ key }) => isScalar(key) && key.source === "<<")?.value, document);
  return (isSeq(merged) ? merged.items : [merged])
    .map((each) => childOf(each, key, document))
    .find((each) => each !== undefined);
}

function resolved(node: unknown, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

/** Refuses aliases that make the file huge: reading them is cheap, but visiting all values is not. */
function refuseExpansion(file: string, read: unknown): void {
  const counts = new Map<object, number>();
  const count = (value: unknown): number => {
    if (value === null || typeof value !== "object") return 1;
    const known = counts.get(value);
    if (known !== undefined) return known;
    // An alias inside its own anchor never ends.
    counts.set(value, Infinity);
    const sum = Object.values(value).reduce((all: number, each) => all + count(each), 1);
    counts.set(value, sum);
    return sum;
  };
  const values = count(read);
  if (values <= mostValues) return;
  throw new UserError({
    where: file,
    found: Number.isFinite(values) ? `its aliases expand to ${values} values` : "an alias inside its own anchor",
    allowed: `at most ${mostValues} values`,
  });
}
