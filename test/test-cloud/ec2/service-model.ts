// Checks requests against AWS's own description of its APIs, from botocore, which is installed with moto.
//
//   const model = await ServiceModel.load("ec2");
//   model.refusalOf("RunInstances", parameters)     undefined, or AWS's error
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { pythonWithMoto } from "../../emulators/moto.ts";

/** An error from AWS. */
export interface Refusal {
  code: string;
  message: string;
}

interface Member {
  shape: string;
  locationName?: string;
  queryName?: string;
}

/** The traits are explained at https://smithy.io/2.0/; the file has an older form of the same model. */
interface Shape {
  type: string;
  members?: Record<string, Member>;
  member?: Member;
  key?: Member;
  value?: Member;
  required?: string[];
  enum?: string[];
  min?: number;
  max?: number;
  pattern?: string;
}

interface Model {
  metadata: { protocol: string };
  operations: Record<string, { input?: { shape: string } }>;
  shapes: Record<string, Shape>;
}

/** Parameters of the query protocol as a tree: `Filter.1.Name` is `{ Filter: { 1: { Name } } }`. */
type Tree = { [key: string]: Tree | string };

const models = new Map<string, Promise<ServiceModel>>();

/** One service's model. */
export class ServiceModel {
  private constructor(private readonly model: Model) {}

  /** Loads a model. @param service botocore's name: `ec2`, `ssm`. */
  static load(service: string): Promise<ServiceModel> {
    let model = models.get(service);
    if (!model) models.set(service, (model = load(service).then((read) => new ServiceModel(read))));
    return model;
  }

  /**
   * Checks a request.
   * @param input Parameters of the query protocol (EC2), or the parsed body of the JSON protocol (SSM).
   * @returns what is wrong, if anything.
   */
  refusalOf(action: string, input: URLSearchParams | object): Refusal | undefined {
    const operation = this.model.operations[action];
    if (!operation)
      return { code: "InvalidAction", message: `The action ${action} is not valid for this web service.` };
    if (!operation.input) return undefined;
    try {
      if (input instanceof URLSearchParams) this.query(operation.input, treeOf(input), "");
      else this.json(operation.input, input, "");
      return undefined;
    } catch (error) {
      if (error instanceof Refused) return error.refusal;
      throw error;
    }
  }

  /** The `ec2` protocol: list items are numbered from 1, directly after the list's name. */
  private query(member: Member, value: Tree | string, path: string): void {
    const shape = this.shape(member);
    if (shape.type === "structure") {
      const given = treeAt(value, path);
      const members = Object.entries(shape.members ?? {}).map(([name, each]) => [queryName(name, each), each] as const);
      const known = new Map(members);
      for (const [name, part] of Object.entries(given)) {
        const each = known.get(name);
        if (!each) refuse("UnknownParameter", `The parameter ${inside(path, name)} is not recognized`);
        this.query(each, part, inside(path, name));
      }
      for (const name of shape.required ?? []) {
        const wanted = queryName(name, shape.members![name]);
        if (!(wanted in given)) {
          refuse("MissingParameter", `The request must contain the parameter ${inside(path, wanted)}`);
        }
      }
    } else if (shape.type === "list") {
      const items = Object.entries(treeAt(value, path));
      if (items.some(([index]) => !/^[1-9]\d*$/.test(index))) refuse("InvalidParameterValue", `${path} is no list`);
      this.checkSize(shape, items.length, path);
      for (const [index, item] of items) this.query(shape.member!, item, inside(path, index));
    } else {
      if (typeof value !== "string") refuse("UnknownParameter", `The parameter ${path} has no parts`);
      this.checkText(shape, value, path);
    }
  }

  private json(member: Member, value: unknown, path: string): void {
    const shape = this.shape(member);
    const wrong = (): never => refuse("ValidationException", `Value at '${path}' must be a ${shape.type}`);
    if (shape.type === "structure") {
      if (typeof value !== "object" || value === null) wrong();
      for (const [name, part] of Object.entries(value as object)) {
        const each = shape.members?.[name];
        if (!each) refuse("ValidationException", `${inside(path, name)} is not recognized`);
        this.json(each, part, inside(path, name));
      }
      const missing = (shape.required ?? []).find((name) => !(name in (value as object)));
      if (missing !== undefined) refuse("ValidationException", `Value null at '${inside(path, missing)}'`);
    } else if (shape.type === "list") {
      if (!Array.isArray(value)) wrong();
      this.checkSize(shape, (value as unknown[]).length, path);
      (value as unknown[]).forEach((item, index) => this.json(shape.member!, item, inside(path, String(index + 1))));
    } else if (shape.type === "map") {
      if (typeof value !== "object" || value === null) wrong();
      for (const [key, part] of Object.entries(value as object)) this.json(shape.value!, part, inside(path, key));
    } else if (shape.type === "string") {
      if (typeof value !== "string") wrong();
      this.checkText(shape, value as string, path);
      this.checkSize(shape, (value as string).length, path);
      const { pattern } = shape;
      if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`, "su").test(value as string)) {
        refuse("ValidationException", `Value '${String(value)}' at '${path}' must satisfy ${pattern}`);
      }
    } else if (shape.type === "boolean" ? typeof value !== "boolean" : typeof value !== "number") {
      wrong();
    }
  }

  private checkText(shape: Shape, value: string, path: string): void {
    const form = forms[shape.type];
    if (form === undefined) throw new Error(`the model has a kind of shape that is not known here: ${shape.type}`);
    const isKnown = shape.enum === undefined || shape.enum.includes(value);
    if (!form.test(value) || !isKnown) {
      refuse("InvalidParameterValue", `Value (${value}) for parameter ${path} is invalid.`);
    }
    if (shape.type === "integer" || shape.type === "long") this.checkSize(shape, Number(value), path);
    if (shape.type === "string" && this.model.metadata.protocol === "ec2") this.checkSize(shape, value.length, path);
  }

  /** Checks a number, or the length of a text or list. */
  private checkSize({ min, max }: Shape, size: number, path: string): void {
    if (size < (min ?? -Infinity) || size > (max ?? Infinity)) {
      refuse("InvalidParameterValue", `${path}: ${size} is not between ${min} and ${max}`);
    }
  }

  private shape({ shape }: Member): Shape {
    return this.model.shapes[shape];
  }
}

/** Formats of values: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/making-api-requests.html. */
const forms: Record<string, RegExp> = {
  string: /^/,
  integer: /^-?\d+$/,
  long: /^-?\d+$/,
  double: /^-?\d+(\.\d+)?$/,
  float: /^-?\d+(\.\d+)?$/,
  boolean: /^(true|false)$/,
  timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  blob: /^[A-Za-z0-9+/]*={0,2}$/,
};

class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message);
  }
}

function refuse(code: string, message: string): never {
  throw new Refused({ code, message });
}

/** https://github.com/boto/botocore/blob/develop/botocore/serialize.py: class EC2Serializer. */
function queryName(name: string, { queryName, locationName }: Member): string {
  return queryName ?? (locationName ? locationName[0].toUpperCase() + locationName.slice(1) : name);
}

function inside(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function treeAt(value: Tree | string, path: string): Tree {
  // An empty list or structure is written as its bare name.
  if (value === "") return {};
  if (typeof value === "string") refuse("InvalidParameterValue", `Value (${value}) for parameter ${path} is invalid.`);
  return value;
}

function treeOf(parameters: URLSearchParams): Tree {
  const tree: Tree = {};
  for (const [key, value] of parameters) {
    if (key === "Action" || key === "Version") continue;
    const path = key.split(".");
    let at = tree;
    for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Tree;
    at[path.at(-1)!] = value;
  }
  return tree;
}

async function load(service: string): Promise<Model> {
  const python = await pythonWithMoto();
  const library = join(python, "..", "..", "lib");
  const [version] = (await readdir(library)).filter((name) => name.startsWith("python3"));
  const folder = join(library, version, "site-packages", "botocore", "data", service);
  const newest = (await readdir(folder)).sort().at(-1)!;
  const file = await readFile(join(folder, newest, "service-2.json.gz"));
  return JSON.parse((await promisify(gunzip)(file)).toString()) as Model;
}
