// Reads a program's registered resources and function calls, with their results, from the engine's log of gRPC calls
// (PULUMI_DEBUG_GRPC).
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { specialSigKey } from "@pulumi/pulumi/runtime/rpc.js";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** The folder of the recordings. */
export const folder = join(projectDirectory, "test/states");

/** The name of every recorded stack, which is part of resource names and tags. */
export const stack = "recorded";

/** One line of the log. */
export interface GrpcEntry {
  method: string;
  request: Record<string, unknown>;
  response?: Record<string, unknown>;
}

/** A registered resource. */
export interface RecordedResource {
  type: string;
  name: string;
  /** The parent's logical name; empty for the stack itself and for resources without a parent. */
  parent: string;
  id: string;
  inputs: Record<string, unknown>;
  /** The provider's outputs that differ from the inputs. */
  outputs: Record<string, unknown>;
}

/** A function call. */
export interface RecordedCall {
  token: string;
  inputs: Record<string, unknown>;
  answer: Record<string, unknown>;
}

export interface Recording {
  resources: RecordedResource[];
  calls: RecordedCall[];
}

/** Marks for values that are left out of a recording: secrets, and scripts, whose text no state depends on. */
export const left = { secret: "[secret]", script: "[script]" };

/** Texts longer than this count as scripts. */
const longestInput = 1000;

const monitor = "/pulumirpc.ResourceMonitor/";

export function recordingOf(log: readonly GrpcEntry[]): Recording {
  const answered = log.filter(({ response }) => response !== undefined);
  const of = (name: string) => answered.filter(({ method }) => method === monitor + name);
  const resources = of("RegisterResource").map(({ request, response }): RecordedResource => {
    const { type, name, parent = "", object = {} } = request as { type: string; name: string } & Partial<Request>;
    const { id = "", object: known = {} } = response as { id?: string; object?: Record<string, unknown> };
    const inputs = withoutSecrets(object) as Record<string, unknown>;
    const outputs = Object.entries(withoutSecrets(known) as object).filter(
      ([key, value]) => !isDeepStrictEqual(value, inputs[key]),
    );
    return {
      ...{ type, name, parent: parent.split("::").at(-1)!, id },
      inputs: withoutScripts(inputs) as Record<string, unknown>,
      outputs: Object.fromEntries(outputs),
    };
  });
  const calls = of("Invoke").map(({ request, response }): RecordedCall => {
    const { tok: token, args: inputs = {} } = request as { tok: string; args?: Record<string, unknown> };
    return { token, inputs, answer: ((response as { return?: object }).return ?? {}) as RecordedCall["answer"] };
  });
  return { resources, calls };
}

interface Request {
  parent: string;
  object: Record<string, unknown>;
}

/** Replaces each secret by `[secret]`. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (value === null || typeof value !== "object") return value;
  if (specialSigKey in value) return left.secret;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withoutSecrets(part)]));
}

/** Replaces each long text by `[script]`. */
export function withoutScripts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutScripts);
  if (typeof value === "string" && value.length > longestInput) return left.script;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withoutScripts(part)]));
}
