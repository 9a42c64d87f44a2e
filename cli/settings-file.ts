// Reads and changes settings in Pulumi.<stack>.yaml; comments and everything else are kept.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Document } from "yaml";
import { isMap, isNode, isScalar, parseDocument } from "yaml";
import { UserError } from "../common/user-error.ts";
import { shortName } from "../toolchain/stack-name.mjs";
import { findCloud } from "../components/clouds.ts";
import { findDistribution } from "../provision/distributions.ts";

/** One stack's settings file. */
export class SettingsFile {
  readonly path: string;

  /**
   * @param projectDirectory The folder of Pulumi.yaml.
   * @param stack The stack's name, short or as `organization/project/stack`.
   * @param project The project's name, the prefix of every key.
   */
  constructor(
    projectDirectory: string,
    stack: string,
    private readonly project = "ci-images",
  ) {
    this.path = join(projectDirectory, `Pulumi.${shortName(stack)}.yaml`);
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  /** Writes the file for a new stack, unless it exists. */
  prepare(cloud: string): void {
    if (this.exists) return;
    const { about, page } = findCloud(cloud);
    const first = `# ${about}. docs/${page}.md lists every key.`;
    this.write(`${first}\nconfig:\n  ${this.project}:cloud: ${cloud}\n`);
  }

  /** A setting's value, as in the YAML. */
  get(key: string): unknown {
    const document = this.read();
    const node = document.getIn(["config", `${this.project}:${key}`], true);
    return isNode(node) ? node.toJS(document) : undefined;
  }

  /** A setting's value as text; the default if it is missing or not a single word or number. */
  text(key: string, byDefault: string): string {
    const value = this.get(key);
    return typeof value === "string" || typeof value === "number" ? String(value) : byDefault;
  }

  /**
   * Changes settings.
   * @param changes Values by key, without the project's name; undefined removes a key. `ec2.region` is a key inside
   * `ec2`.
   * @returns whether anything changed.
   * @throws UserError when the file is not YAML, or something other than a mapping is where a key belongs.
   */
  set(changes: Readonly<Record<string, unknown>>): boolean {
    const document = this.read();
    if (!isMap(document.contents)) document.contents = document.createNode({});
    let changed = false;
    for (const [key, value] of Object.entries(changes)) {
      const path = this.pathOf(key);
      const present = document.toJS() as unknown;
      if (isDeepStrictEqual(path.reduce(inside, present), value)) continue;
      changed = true;
      if (value === undefined) document.deleteIn(path);
      else {
        this.makeMappings(document, path.slice(0, -1));
        document.setIn(path, document.createNode(value));
      }
    }
    if (changed) this.write(document.toString({ lineWidth: 0 }));
    return changed;
  }

  /** Turns keys without a value (`config:`) on the way to a setting into mappings, and keeps their comments. */
  private makeMappings(document: Document, path: readonly string[]): void {
    for (const above of path.map((_key, index) => path.slice(0, index + 1))) {
      const node = document.getIn(above, true);
      if (node === undefined || isMap(node)) continue;
      if (!isScalar(node) || node.value !== null) {
        throw new UserError({
          where: this.path,
          key: above.join("."),
          found: "something other than a mapping",
          allowed: "a mapping",
        });
      }
      const { comment, commentBefore } = node;
      const mapping = document.createNode({});
      mapping.commentBefore = [commentBefore, comment].filter(Boolean).join("\n") || undefined;
      document.setIn(above, mapping);
    }
  }

  /** Whether these changes, as for {@link set}, would change anything. */
  differs(changes: Readonly<Record<string, unknown>>): boolean {
    const present = this.read().toJS() as unknown;
    return Object.entries(changes).some(
      ([key, value]) => !isDeepStrictEqual(this.pathOf(key).reduce(inside, present), value),
    );
  }

  private pathOf(key: string): string[] {
    const [first, ...parts] = key.split(".");
    return ["config", `${this.project}:${first}`, ...parts];
  }

  private read(): Document {
    const text = this.exists ? readFileSync(this.path, "utf8") : "";
    const document = parseDocument(text);
    if (document.errors.length > 0) {
      throw new UserError({ where: this.path, found: `is not YAML: ${document.errors[0].message}` });
    }
    return document;
  }

  private write(text: string): void {
    // Atomically: a truncated file would lose the stack's encryption salt.
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
  }
}

function inside(value: unknown, key: string): unknown {
  return value === null || typeof value !== "object" ? undefined : (value as Record<string, unknown>)[key];
}

/**
 * The setting changes for `--region` and `--distribution`.
 * @throws UserError for an unknown distribution, or a region on a cloud that has none.
 */
export function placeSettings(
  cloud: string,
  { region, distribution }: { region?: string; distribution?: readonly string[] },
): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  if (distribution) {
    for (const name of distribution) findDistribution(name, "--distribution");
    changes.distributions = [...distribution];
  }
  if (region === undefined) return changes;
  const { regionSettings } = findCloud(cloud);
  if (!regionSettings) {
    throw new UserError({ where: "--region", found: region, allowed: `nothing: the cloud ${cloud} has no regions` });
  }
  return { ...changes, ...regionSettings(region) };
}
