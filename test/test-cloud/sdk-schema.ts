// JSON schemas of resources' inputs, read from an official SDK's type declarations. Like the real plugins, the test
// cloud's plugins refuse everything else.
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The part of JSON schema (draft 7) that is needed here. */
export type Schema = Record<string, unknown>;

/** An SDK's declaration of one resource type. */
export interface ResourceSchema {
  /** The inputs' schema, without additional properties. */
  inputs: Schema;
  /** All outputs by name, and whether they are always present. */
  outputs: Record<string, { required: boolean }>;
}

/** Schemas by type token. `pulumi:providers:aws` is the provider itself. */
export type PackageSchema = Record<string, ResourceSchema>;

/** An SDK's declarations. */
export interface SdkSchema {
  /** The SDK's version, without a leading `v`. */
  version: string;
  types: PackageSchema;
}

const here = fileURLToPath(import.meta.url);
const cacheFolder = join(dirname(here), "..", "..", ".cache", "test-cloud");
const resolveModule = createRequire(import.meta.url).resolve;

/**
 * Reads an SDK's declarations. Parsing takes seconds, so the result is cached in a file.
 * @param packageName For example `aws` for @pulumi/aws.
 * @param tokens Type tokens such as `aws:ec2/instance:Instance`.
 */
export async function sdkSchema(packageName: string, tokens: readonly string[]): Promise<SdkSchema> {
  const manifest = resolveModule(`@pulumi/${packageName}/package.json`);
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const digest = createHash("sha256")
    .update(JSON.stringify([version, tokens, await readFile(here, "utf8")]))
    .digest("hex");
  const file = join(cacheFolder, `${packageName}-${digest.slice(0, 16)}.json`);
  const cached = await readFile(file, "utf8").catch(() => undefined);
  if (cached !== undefined) return JSON.parse(cached) as SdkSchema;
  const types = new Declarations(dirname(manifest)).read(tokens);
  const schema = { version: version.replace(/^v/, ""), types };
  await mkdir(cacheFolder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(schema));
  await rename(`${file}.${process.pid}`, file);
  return schema;
}

/** The declaration files of one SDK. */
class Declarations {
  private readonly files = new Map<string, ts.SourceFile>();
  /** Nested types of the current resource by name: `ec2.InstanceRootBlockDevice`. */
  private definitions: Record<string, Schema> = {};

  constructor(private readonly directory: string) {}

  read(tokens: readonly string[]): PackageSchema {
    return Object.fromEntries(tokens.map((token) => [token, this.resource(token)]));
  }

  private resource(token: string): ResourceSchema {
    const [, path, name] = token.split(":");
    const [file, type] = path === "providers" ? ["provider", "Provider"] : [path, name];
    const { statements } = this.file(`${file}.d.ts`);
    const declared = statements.find((node) => ts.isClassDeclaration(node) && node.name?.text === type);
    if (!declared) throw new Error(`${this.directory}/${file}.d.ts declares no class ${type}`);
    this.definitions = {};
    const inputs = this.object(find(statements, `${type}Args`).members);
    const outputs = (declared as ts.ClassDeclaration).members.filter(isOutput).map((member) => {
      const optional = member.type.typeArguments!.some((argument) => mayBeUndefined(argument));
      return [member.name.getText(), { required: !optional }] as const;
    });
    return { inputs: { ...inputs, definitions: this.definitions }, outputs: Object.fromEntries(outputs) };
  }

  private object(members: ts.NodeArray<ts.TypeElement>): Schema {
    const properties = members.filter((member) => ts.isPropertySignature(member));
    const index = members.find((member) => ts.isIndexSignatureDeclaration(member));
    if (index) return { type: "object", additionalProperties: this.type(index.type) };
    const required = properties.filter(({ questionToken }) => !questionToken).map(({ name }) => name.getText());
    return {
      type: "object",
      additionalProperties: false,
      properties: Object.fromEntries(properties.map(({ name, type }) => [name.getText(), this.type(type!)])),
      required,
    };
  }

  private type(node: ts.TypeNode): Schema {
    if (ts.isParenthesizedTypeNode(node)) return this.type(node.type);
    if (ts.isArrayTypeNode(node)) return { type: "array", items: this.type(node.elementType) };
    if (ts.isTypeLiteralNode(node)) return this.object(node.members);
    if (ts.isTypeReferenceNode(node)) return this.reference(node);
    if (ts.isUnionTypeNode(node)) {
      const choices = node.types.filter(({ kind }) => kind !== ts.SyntaxKind.UndefinedKeyword);
      return choices.length === 1 ? this.type(choices[0]) : { anyOf: choices.map((choice) => this.type(choice)) };
    }
    switch (node.kind) {
      case ts.SyntaxKind.StringKeyword:
        return { type: "string" };
      case ts.SyntaxKind.NumberKeyword:
        return { type: "number" };
      case ts.SyntaxKind.BooleanKeyword:
        return { type: "boolean" };
      case ts.SyntaxKind.AnyKeyword:
        return {};
      default:
        throw new Error(`a kind of type that is not known here: ${node.getText()}`);
    }
  }

  private reference(node: ts.TypeReferenceNode): Schema {
    const name = node.typeName.getText();
    if (name === "pulumi.Input") return this.type(node.typeArguments![0]);
    const [namespace, ...path] = name.split(".");
    if (namespace === "inputs") return this.nested(path);
    // An open enumeration (with `string` beside its values), or another resource, which is its id on the wire.
    if (namespace === "enums" || path.at(-1) === "Region" || path.length === 0) return { type: "string" };
    throw new Error(`a type that is not known here: ${name}`);
  }

  private nested(path: string[]): Schema {
    const name = path.join(".");
    if (!(name in this.definitions)) {
      this.definitions[name] = {};
      let { statements } = this.file("types/input.d.ts");
      for (const part of path.slice(0, -1)) {
        const inside = statements.flatMap((node) =>
          ts.isModuleDeclaration(node) && node.name.text === part && node.body && ts.isModuleBlock(node.body)
            ? [...node.body.statements]
            : [],
        );
        statements = ts.factory.createNodeArray(inside);
      }
      this.definitions[name] = this.object(find(statements, path.at(-1)!).members);
    }
    return { $ref: `#/definitions/${name}` };
  }

  private file(path: string): ts.SourceFile {
    let file = this.files.get(path);
    if (!file) {
      const absolute = join(this.directory, path);
      const text = ts.sys.readFile(absolute);
      if (text === undefined) throw new Error(`there is no ${absolute}`);
      file = ts.createSourceFile(absolute, text, ts.ScriptTarget.ES2022, true);
      this.files.set(path, file);
    }
    return file;
  }
}

type OutputDeclaration = ts.PropertyDeclaration & { type: ts.TypeReferenceNode };

function isOutput(member: ts.ClassElement): member is OutputDeclaration {
  return ts.isPropertyDeclaration(member) && /^pulumi\.Output</.test(member.type?.getText() ?? "");
}

function mayBeUndefined(node: ts.TypeNode): boolean {
  return (
    ts.isUnionTypeNode(node) && node.types.some((each) => each.getText() === "undefined" || each.getText() === "null")
  );
}

function find(statements: ts.NodeArray<ts.Statement>, name: string): ts.InterfaceDeclaration {
  const found = statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === name);
  if (!found) throw new Error(`no interface ${name}`);
  return found as ts.InterfaceDeclaration;
}
