// Writes image ids for consumers that boot workers: into a ci-platform YAML file, keeping its comments and other keys,
// or as a cloud block for Jenkins' Configuration as Code.
import { createTwoFilesPatch } from "diff";
import { isMap, isScalar, LineCounter, parseDocument, stringify, type Document } from "yaml";
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
 * @throws UserError when the text is not YAML, or something else is where the ids belong.
 */
export function withImageIds(file: string, text: string, ids: ImageIds): string {
  const document = read(file, text);
  const missing: { path: string[]; id: string }[] = [];
  const edits: { from: number; to: number; id: string }[] = [];
  for (const [cloud, places] of Object.entries(ids)) {
    for (const [place, byDistribution] of Object.entries(places)) {
      for (const [distribution, id] of Object.entries(byDistribution)) {
        const path = [...root, cloud, place, distribution];
        const node = document.getIn(path, true);
        if (isScalar(node) && node.range) {
          if (node.value !== id) edits.push({ from: node.range[0], to: node.range[1], id });
        } else missing.push({ path, id });
      }
    }
  }
  // From the end, so that earlier offsets stay valid.
  const edited = edits
    .sort((one, other) => other.from - one.from)
    .reduce((result, { from, to, id }) => result.slice(0, from) + stringify(id).trim() + result.slice(to), text);
  return missing.length === 0 ? edited : withNewKeys(file, edited, missing);
}

/**
 * Shows a file's change in the format of `diff -u`.
 * @returns an empty text if nothing changes.
 */
export function showChange(file: string, before: string, after: string): string {
  return before === after ? "" : createTwoFilesPatch(file, file, before, after, "before", "after");
}

function withNewKeys(file: string, text: string, missing: readonly { path: string[]; id: string }[]): string {
  const document = read(file, text);
  for (const { path, id } of missing) {
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
    document.setIn(path, id);
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
