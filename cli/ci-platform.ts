// Writes image ids for consumers that boot workers: into a ci-platform YAML file, keeping its comments and other keys,
// or as a cloud block for Jenkins' Configuration as Code.
import { isDeepStrictEqual } from "node:util";
import { createTwoFilesPatch } from "diff";
import { isMap, isScalar, LineCounter, parseDocument, stringify, type Document, type Range, type Scalar } from "yaml";
import { UserError } from "../common/user-error.ts";
import type { CloudFacts } from "../components/cloud-facts.ts";
import { clouds } from "../components/clouds.ts";

/** Ids by cloud, place and distribution, as in the stack's output `ciPlatform` under `jenkins: clouds: images:`. */
export type ImageIds = Record<string, Record<string, Record<string, string>>>;

const root = ["jenkins", "clouds", "images"];

/**
 * Sets image ids in the text of a ci-platform file, under `jenkins: clouds: images:`. If all keys exist, every other
 * byte stays the same; if keys are added, the whole file is reformatted, keeping its comments.
 * @param file The file's name, for messages.
 * @param text The file's content; may be empty.
 * @throws UserError when the text is not YAML, something else is where the ids belong, or another value would change.
 */
export function withImageIds(file: string, text: string, ids: ImageIds): string {
  const document = read(file, text);
  const all = entriesOf(ids);
  const inPlace = all.filter(({ path }) => isReplaceable(document.getIn(path, true)));
  // From the end, so that earlier offsets stay valid.
  const edited = inPlace
    .map(({ path, id }) => ({ id, node: document.getIn(path, true) as Ranged }))
    .filter(({ id, node }) => node.value !== id)
    .sort((one, other) => other.node.range[0] - one.node.range[0])
    .reduce((result, { id, node: { range } }) => {
      return result.slice(0, range[0]) + stringify(id).trim() + result.slice(range[1]);
    }, text);
  // In braces, for example, a comma would end the id.
  const isIntact = has(edited, document, inPlace);
  const rest = isIntact ? all.filter((each) => !inPlace.includes(each)) : all;
  const after = rest.length === 0 ? edited : withKeys(file, isIntact ? edited : text, rest);
  if (has(after, document, all)) return after;
  throw new UserError({
    where: file,
    key: root.join("."),
    found: "YAML in which changing an id would change other values, too",
    cure: "write each id out, without anchors, aliases and merge keys",
  });
}

/** An id with the path of its key. */
interface Entry {
  path: string[];
  id: string;
}

type Ranged = Scalar & { range: Range };

function entriesOf(ids: ImageIds): Entry[] {
  return Object.entries(ids).flatMap(([cloud, places]) =>
    Object.entries(places).flatMap(([place, byDistribution]) =>
      Object.entries(byDistribution).map(([distribution, id]) => ({ path: [...root, cloud, place, distribution], id })),
    ),
  );
}

/** Whether a value can be replaced in the text. A key without a value has no text, and a block includes line ends. */
function isReplaceable(node: unknown): node is Ranged {
  if (!isScalar(node) || !node.range || node.range[0] === node.range[1]) return false;
  return node.type === "PLAIN" || node.type === "QUOTE_SINGLE" || node.type === "QUOTE_DOUBLE";
}

/** Whether a text is YAML with these ids and otherwise the same content as the document. */
function has(text: string, before: Document, entries: readonly Entry[]): boolean {
  const after = parseDocument(text);
  if (after.errors.length > 0) return false;
  const wanted = contentOf(before);
  for (const { path, id } of entries) {
    const above = path.slice(0, -1).reduce((map, key) => (map[key] ??= {}) as Content, wanted);
    above[path.at(-1)!] = id;
  }
  return isDeepStrictEqual(contentOf(after), wanted);
}

type Content = Record<string, unknown>;

/** The content, with copies in the place of aliases. */
function contentOf(document: Document): Content {
  return JSON.parse(JSON.stringify(document.toJS() ?? {})) as Content;
}

/**
 * Shows a file's change in the format of `diff -u`.
 * @returns an empty text if nothing changes.
 */
export function showChange(file: string, before: string, after: string): string {
  return before === after ? "" : createTwoFilesPatch(file, file, before, after, "before", "after");
}

/** Sets ids in the parsed document, which reformats the file. */
function withKeys(file: string, text: string, entries: readonly Entry[]): string {
  const document = read(file, text);
  for (const { path, id } of entries) {
    const blocking = path
      .slice(0, -1)
      .map((_key, index) => path.slice(0, index + 1))
      .find((above) => {
        const node = document.getIn(above, true);
        return node !== undefined && !isMap(node) && !(isScalar(node) && node.value === null);
      });
    if (blocking) {
      throw new UserError({
        where: file,
        key: blocking.join("."),
        found: "something other than a mapping",
        allowed: `a mapping: the image of ${path.at(-1)} belongs at ${path.join(".")}`,
      });
    }
    // A key without a value (`aws:`) becomes a mapping.
    for (let length = 1; length < path.length; length++) {
      const node = document.getIn(path.slice(0, length), true);
      if (isScalar(node)) document.setIn(path.slice(0, length), document.createNode({}));
    }
    const present = document.getIn(path, true);
    // Keeps its comment, but not the style of a block.
    if (isScalar(present)) Object.assign(present, { value: id, type: undefined });
    else document.setIn(path, id);
  }
  const indent = /^( +)\S/m.exec(text)?.[1]?.length ?? 2;
  return document.toString({ lineWidth: 0, indent: Math.min(indent, 8), flowCollectionPadding: false });
}

function read(file: string, text: string): Document {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw new UserError({ where: `${file}:${line}:${col}`, found: error.message.split("\n")[0] ?? "not YAML" });
  }
  if (document.contents !== null && !isMap(document.contents)) {
    throw new UserError({ where: file, found: "not a mapping", allowed: "jenkins: clouds: images: ..." });
  }
  return document;
}

/**
 * A block for Jenkins' Configuration as Code, with one cloud per place and one template per image.
 * @param loginUserOf Returns the login account of a distribution's workers.
 */
export function jenkinsClouds(ids: ImageIds, loginUserOf: (distribution: string) => string): string {
  const clouds = Object.entries(ids).flatMap(([cloud, places]) =>
    Object.entries(places).flatMap(([place, images]) => jenkinsCloudOf(cloud)?.(place, images, loginUserOf) ?? []),
  );
  return stringify({ jenkins: { clouds } }, { lineWidth: 0 });
}

/** @param cloud The cloud's name in the outputs. */
function jenkinsCloudOf(cloud: string): CloudFacts["jenkinsCloud"] {
  return clouds.find(({ outputName }) => outputName === cloud)?.jenkinsCloud;
}
