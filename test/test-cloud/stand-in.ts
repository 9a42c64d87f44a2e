// A stand-in for the plugin of an official provider. It dispatches the engine's calls to resource types, which are in
// the folders of their clouds, and does what is the same for all types (bridge.ts).
import grpc from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import statuses from "@pulumi/pulumi/proto/status_pb.js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import wire, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { isSecret, revealAll, secret } from "../../toolchain/offline/command-plugin/values.mjs";
import { listen, unary } from "../../toolchain/offline/plugin-server.mjs";
import { changesOf, inputFailures, previewOf, type Values } from "./bridge.ts";
import { sdkSchema, type PackageSchema, type SdkSchema } from "./sdk-schema.ts";

/** What a resource type gets beside its inputs. */
export interface StandInContext {
  /** The provider's own settings: region, project, ... */
  config: Values;
  /** Aborted when the engine cancels or ends. Waits stop; operations in the cloud continue. */
  signal: AbortSignal;
}

/** One resource type. Like the real provider, it calls the cloud's API and keeps no state. */
export interface StandInType {
  /** Inputs whose change replaces the resource: top-level names or paths. */
  replaceOn: readonly string[];
  /** Inputs (optional, not computed) that the provider clears if somebody else has set them. */
  takesAway?: readonly string[];
  /** The input with the resource's name, which the bridge generates by default; `name` by default. */
  nameInput?: string;
  /** Returns defaults for inputs that the program does not set. */
  defaults?: (inputs: Values, urnName: string) => Values;
  /** Returns inputs in which the provider fills in fields, with these fields unknown; see `previewOf`. */
  preview?: (inputs: Values) => Values;
  /** Names of secret outputs. */
  secrets?: readonly string[];
  /** @throws InitFailed if the resource exists and must be recorded, but is broken. */
  create(inputs: Values, context: StandInContext): Promise<{ id: string; state: Values }>;
  /** @returns undefined if it is gone. @param state Has only the id during an import. */
  read(id: string, state: Values, context: StandInContext): Promise<Values | undefined>;
  /** Omitted if every change replaces the resource. @param changed Top-level names. */
  update?(id: string, inputs: Values, changed: string[], state: Values, context: StandInContext): Promise<Values>;
  delete(id: string, state: Values, context: StandInContext): Promise<void>;
}

/** A plugin, with its resource types by token. */
export interface StandIn {
  package: string;
  types: Record<string, StandInType>;
}

/** A creation that failed after the resource already existed: the engine records the resource and reports the error. */
export class InitFailed extends Error {
  constructor(
    readonly id: string,
    readonly state: Values,
    message: string,
  ) {
    super(message);
  }
}

/** A running plugin, started by an engine. */
export interface RunningStandIn {
  port: number;
  /** Ends it, like the death of a plugin's process. */
  end(): void;
}

/** Starts a plugin on a free port. */
export async function startStandIn(standIn: StandIn): Promise<RunningStandIn> {
  const own = `pulumi:providers:${standIn.package}`;
  const session = new Session(standIn, await sdkSchema(standIn.package, [own, ...Object.keys(standIn.types)]));
  const { server, port } = await listen(providerService.ResourceProviderService, session.methods());
  return {
    port,
    end() {
      session.stop("the engine has ended");
      server.forceShutdown();
    },
  };
}

const kinds = provider.PropertyDiff.Kind;

/** The bridge stores the names of inputs with default values under this key. */
const defaultsKey = "__defaults";

class Session {
  private config: Values = {};
  private stopping = new AbortController();

  constructor(
    private readonly standIn: StandIn,
    private readonly sdk: SdkSchema,
  ) {}

  private get schema(): PackageSchema {
    return this.sdk.types;
  }

  stop(why: string): void {
    this.stopping.abort(new Error(why));
  }

  methods(): grpc.UntypedServiceImplementation {
    return {
      getPluginInfo: unary(() => new plugin.PluginInfo().setVersion(`${this.sdk.version}+test-cloud`)),
      checkConfig: unary((request: provider.CheckRequest) => this.checkConfig(request)),
      diffConfig: unary(() => new provider.DiffResponse()),
      configure: unary((request: provider.ConfigureRequest) => {
        this.config = typedConfig(this.schema, this.standIn.package, valuesOf(request.getArgs()));
        return new provider.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
      }),
      check: unary((request: provider.CheckRequest) => this.check(request)),
      diff: unary((request: provider.DiffRequest) => this.diff(request)),
      create: unary((request: provider.CreateRequest) => this.create(request)),
      read: unary((request: provider.ReadRequest) => this.read(request)),
      update: unary((request: provider.UpdateRequest) => this.update(request)),
      delete: unary((request: provider.DeleteRequest) => this.delete(request)),
      cancel: unary(() => {
        this.stop("the deployment was cancelled");
        return new empty.Empty();
      }),
    };
  }

  private checkConfig(request: provider.CheckRequest): provider.CheckResponse {
    const inputs = valuesOf(request.getNews());
    const typed = typedConfig(this.schema, this.standIn.package, inputs);
    const own = this.schema[`pulumi:providers:${this.standIn.package}`];
    const given = Object.fromEntries(Object.entries(typed).filter(([key]) => key !== "version"));
    return checkResponse(request.getNews(), inputFailures(own.inputs, given));
  }

  private check(request: provider.CheckRequest): provider.CheckResponse {
    const { token, type, name } = this.typeOf(request.getUrn());
    const given = wireOf(request.getNews());
    const defaults = type.defaults?.(valuesOf(request.getNews()), name) ?? {};
    const inputs = { ...defaults, ...given };
    const failures = inputFailures(this.schema[token].inputs, revealAll(inputs) as Values);
    return checkResponse(structOf({ ...inputs, [defaultsKey]: Object.keys(defaults) }), failures);
  }

  private diff(request: provider.DiffRequest): provider.DiffResponse {
    const { token, type } = this.typeOf(request.getUrn());
    const [state, olds, news] = [request.getOlds(), request.getOldInputs(), request.getNews()].map(valuesOf);
    const changes = changesOf(this.schema[token].inputs, state, olds, news);
    const ignored = request.getIgnorechangesList();
    for (const key of type.takesAway ?? []) {
      if (state[key] !== undefined && news[key] === undefined && !ignored.includes(key)) changes.set(key, "delete");
    }
    const response = new provider.DiffResponse().setHasdetaileddiff(true);
    const some = changes.size > 0;
    response.setChanges(provider.DiffResponse.DiffChanges[some ? "DIFF_SOME" : "DIFF_NONE"]);
    for (const [path, kind] of changes) {
      const replace = type.replaceOn.some(
        (each) => path === each || path.startsWith(`${each}.`) || path.startsWith(`${each}[`),
      );
      const words = { add: "ADD", delete: "DELETE", update: "UPDATE" } as const;
      const entry = new provider.PropertyDiff().setInputdiff(true);
      entry.setKind(kinds[replace ? (`${words[kind]}_REPLACE` as const) : words[kind]]);
      response.getDetaileddiffMap().set(path, entry);
      response.addDiffs(topOf(path));
      if (replace) response.addReplaces(topOf(path));
    }
    const replaces = response.getReplacesList().length > 0;
    return response.setDeletebeforereplace(replaces && nameIsGiven(news, type.nameInput));
  }

  private async create(request: provider.CreateRequest): Promise<provider.CreateResponse> {
    const { token, type } = this.typeOf(request.getUrn());
    const wire = givenOf(wireOf(request.getProperties()));
    const inputs = revealAll(wire) as Values;
    const response = new provider.CreateResponse();
    if (request.getPreview())
      return response.setProperties(structOf(previewOf(this.schema[token], inputs, type.preview?.(inputs))));
    try {
      const { id, state } = await type.create(inputs, this.context(request.getTimeout()));
      return response.setId(id).setProperties(structOf(this.recorded(token, { id, ...state }, wire)));
    } catch (error) {
      if (!(error instanceof InitFailed)) throw error;
      const { id, state } = error;
      throw initFailed(error, structOf(this.recorded(token, { id, ...state }, wire)));
    }
  }

  private async read(request: provider.ReadRequest): Promise<provider.ReadResponse> {
    const { token, type } = this.typeOf(request.getUrn());
    const before = valuesOf(request.getProperties());
    const state = await type.read(request.getId(), before, this.context());
    const response = new provider.ReadResponse();
    if (state === undefined) return response;
    const olds = valuesOf(request.getInputs());
    const isImport = Object.keys(before).length === 0;
    const { properties } = this.schema[token].inputs as { properties: object };
    const speaksOf = (key: string) => (isImport ? key in properties : key in olds);
    const inputs = Object.entries(state).filter(([key, value]) => speaksOf(key) && value !== undefined);
    response
      .setId(request.getId())
      .setProperties(
        structOf(this.recorded(token, { id: request.getId(), ...state }, wireOf(request.getProperties()))),
      );
    // The actual values win over the program's inputs, so that the next preview shows the drift.
    const seen = { ...olds, ...shownAs(olds, Object.fromEntries<unknown>(inputs)) };
    return response.setInputs(structOf({ [defaultsKey]: [], ...seen }));
  }

  private async update(request: provider.UpdateRequest): Promise<provider.UpdateResponse> {
    const { token, type } = this.typeOf(request.getUrn());
    const [state, inputs] = [valuesOf(request.getOlds()), givenOf(valuesOf(request.getNews()))];
    const response = new provider.UpdateResponse();
    if (request.getPreview()) return response.setProperties(structOf({ ...state, ...inputs }));
    if (!type.update) throw new Error(`${token} has no update: every change must replace`);
    const olds = valuesOf(request.getOldInputs());
    const changed = [...changesOf(this.schema[token].inputs, state, olds, inputs).keys()].map(topOf);
    const id = request.getId();
    const updated = { id, ...(await type.update(id, inputs, [...new Set(changed)], state, this.context())) };
    return response.setProperties(structOf(this.recorded(token, updated, wireOf(request.getNews()))));
  }

  private async delete(request: provider.DeleteRequest): Promise<unknown> {
    const { type } = this.typeOf(request.getUrn());
    await type.delete(request.getId(), valuesOf(request.getProperties()), this.context(request.getTimeout()));
    return new empty.Empty();
  }

  private typeOf(urn: string): { token: string; type: StandInType; name: string } {
    // urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME
    const [, , types, name] = urn.split("::");
    const token = types.split("$").at(-1)!;
    const type = this.standIn.types[token];
    if (!type) throw new Error(`the test cloud has no ${token}, only ${Object.keys(this.standIn.types).join(", ")}`);
    return { token, type, name };
  }

  private context(seconds = 0): StandInContext {
    const { signal } = this.stopping;
    const late = seconds > 0 ? [AbortSignal.timeout(seconds * 1000)] : [];
    return { config: this.config, signal: AbortSignal.any([signal, ...late]) };
  }

  /** The values for the state. Only declared outputs are allowed, so that programs can't rely on anything else. */
  private recorded(token: string, state: Values, wire: Values): Values {
    const { outputs } = this.schema[token];
    const unknown = Object.keys(state).filter((key) => key !== "id" && !(key in outputs) && !key.startsWith("__"));
    if (unknown.length > 0) throw new Error(`${token}: the SDK declares no output ${unknown.join(", ")}`);
    // Secret inputs become secret outputs.
    const given = Object.keys(wire).filter((key) => holdsSecret(wire[key]));
    const secrets = [...(this.standIn.types[token].secrets ?? []), ...given];
    return Object.fromEntries(
      Object.entries(state).map(([key, value]) => [key, secrets.includes(key) ? secret(value) : value]),
    );
  }
}

/** Parses provider settings, which arrive as text or as JSON in text. */
function typedConfig(schema: PackageSchema, name: string, values: Values): Values {
  const { properties } = schema[`pulumi:providers:${name}`].inputs as { properties: Record<string, { type?: string }> };
  const typed = Object.entries(values).map(([key, value]) => {
    const isText = typeof value !== "string" || properties[key]?.type === "string" || !(key in properties);
    return [key, isText ? value : (JSON.parse(value) as unknown)];
  });
  return Object.fromEntries(typed) as Values;
}

/** Reduces blocks to the fields that the old inputs had; see `changesOf`. */
function shownAs(olds: Values, news: Values): Values {
  const isBlock = (value: unknown): value is Values =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  return Object.fromEntries(
    Object.entries(news).map(([key, value]) => {
      const old = olds[key];
      if (!isBlock(old) || !isBlock(value) || key === "tags" || key === "labels" || key === "metadata")
        return [key, value];
      return [key, Object.fromEntries(Object.keys(old).map((field) => [field, value[field] ?? old[field]]))];
    }),
  );
}

function topOf(path: string): string {
  return path.split(/[.[]/)[0];
}

function holdsSecret(value: unknown): boolean {
  if (isSecret(value)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsSecret);
}

/** Inputs without the bridge's own key. */
function givenOf(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== defaultsKey));
}

/**
 * Whether the program sets the resource's name. Two resources can't have the same name, so the bridge deletes the old
 * one first: `nameRequiresDeleteBeforeReplace` in
 * https://github.com/pulumi/pulumi-terraform-bridge/blob/v3.137.0/pkg/tfbridge/schema.go
 */
function nameIsGiven(inputs: Values, nameInput = "name"): boolean {
  const defaults = inputs[defaultsKey];
  return Array.isArray(defaults) && nameInput in inputs && !defaults.includes(nameInput);
}

type WireStruct = { toJavaScript(): unknown } | undefined;

function wireOf(struct: WireStruct): Values {
  return (struct?.toJavaScript() ?? {}) as Values;
}

function valuesOf(struct: WireStruct): Values {
  return revealAll(wireOf(struct)) as Values;
}

function structOf(values: Values) {
  const defined = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return wire.Struct.fromJavaScript(Object.fromEntries(defined) as Record<string, JavaScriptValue>);
}

function checkResponse(
  inputs: ReturnType<typeof structOf> | undefined,
  failures: { property: string; reason: string }[],
) {
  const response = new provider.CheckResponse().setInputs(inputs);
  for (const { property, reason } of failures) {
    response.addFailures(new provider.CheckFailure().setProperty(property).setReason(reason));
  }
  return response;
}

/** See ErrorResourceInitFailed in https://github.com/pulumi/pulumi/blob/master/sdk/proto/pulumi/provider.proto. */
function initFailed({ id, message }: InitFailed, properties: ReturnType<typeof structOf>): Error {
  const detail = new provider.ErrorResourceInitFailed().setId(id).setProperties(properties);
  detail.addReasons(message);
  const packed = new any.Any();
  packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new statuses.Status().setCode(grpc.status.UNKNOWN).setMessage(message);
  status.addDetails(packed);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return Object.assign(new Error(message), { code: grpc.status.UNKNOWN, metadata });
}
