// A substitute for Pulumi's command plugin 1.2.1, for computers that can't download it; it is not a Go module that
// could be built. It implements command:remote:Command with the same inputs, outputs and behaviour, so a stack can
// switch between the two. If the official plugin is installed, it is used (toolchain/environment.mjs).
//
// The engine starts it as `pulumi-resource-command ENGINE-ADDRESS`.
import grpc from "@grpc/grpc-js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import wire from "google-protobuf/google/protobuf/struct_pb.js";
import { serve, unary } from "../plugin-server.mjs";
import { difference } from "./difference.mjs";
import { EngineLines } from "./engine-lines.mjs";
import { implementations } from "./resources.mjs";
import { check, resources } from "./schema.mjs";

/** @typedef {import("./values.mjs").Properties} Properties */

const engineAddress = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
const engineClient =
  engineAddress === undefined
    ? undefined
    : new engineService.EngineClient(engineAddress, grpc.credentials.createInsecure());

/** Aborted when the engine cancels the deployment: all sessions are closed, and no more are opened. */
const cancelled = new AbortController();

/**
 * @param {import("google-protobuf/google/protobuf/struct_pb.js").Struct | undefined} struct
 * @returns {Properties}
 */
function toProperties(struct) {
  return /** @type {Properties} */ (struct?.toJavaScript() ?? {});
}

/** @param {Properties} properties */
function toStruct(properties) {
  const defined = Object.entries(properties).filter(([, value]) => value !== undefined);
  return wire.Struct.fromJavaScript(
    /** @type {Record<string, import("google-protobuf/google/protobuf/struct_pb.js").JavaScriptValue>} */ (
      Object.fromEntries(defined)
    ),
  );
}

/**
 * A resource's type and name, from its URN: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`.
 * @param {string} urn
 */
function parse(urn) {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

/**
 * @param {string} urn
 * @returns {{ fields: Record<string, import("./schema.mjs").Field>, resource: import("./resources.mjs").Resource }}
 */
function find(urn) {
  const { type } = parse(urn);
  if (!Object.hasOwn(implementations, type))
    throw new Error(
      `ci-images' stand-in for the command plugin has no ${type}, only ${Object.keys(implementations).join(" and ")}; ` +
        "install Pulumi's own: pulumi plugin install resource command 1.2.1",
    );
  return { fields: resources[type], resource: implementations[type] };
}

const { path: logPath, responseDeserialize: readLogAnswer } = engineService.EngineService.log;

/**
 * Calls the engine's Log. Encodes the text here and appends it to the other fields: protobuf's JavaScript encodes texts
 * so slowly that it would take most of the time of a line's way from the builder.
 * @param {import("@grpc/grpc-js").Client} client
 * @param {import("@pulumi/pulumi/proto/engine_pb.js").LogRequest} request Without its message.
 * @param {string} text
 * @param {() => void} done
 */
function sendLog(client, request, text, done) {
  const message = Buffer.from(text);
  const head = [0x12]; // field 2, of a given length
  for (let length = message.length; ; length = Math.floor(length / 128)) {
    head.push(length < 128 ? length : (length % 128) + 128);
    if (length < 128) break;
  }
  const bytes = Buffer.concat([request.serializeBinary(), Buffer.from(head), message]);
  client.makeUnaryRequest(
    logPath,
    () => bytes,
    readLogAnswer,
    request,
    () => done(),
  );
}

/**
 * The message channel of one call.
 * @param {string} urn
 * @returns {import("./command.mjs").Log & { sent: () => Promise<void> }} `sent` resolves when all messages have
 * arrived.
 */
function logFor(urn) {
  const lines = new EngineLines(({ severity, text, ephemeral }) => {
    const request = new engine.LogRequest();
    request.setSeverity(/** @type {0 | 1 | 2 | 3} */ (severity));
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    // If the engine is gone, nobody misses the line.
    return new Promise((resolve) => (engineClient ? sendLog(engineClient, request, text, resolve) : resolve()));
  });
  const { INFO, WARNING, ERROR } = engine.LogSeverity;
  return {
    status: (text) => lines.add({ severity: INFO, text, ephemeral: true }),
    warning: (text) => lines.add({ severity: WARNING, text, ephemeral: false }),
    error: (text) => lines.add({ severity: ERROR, text, ephemeral: false }),
    room: () => lines.room(),
    sent: () => lines.sent(),
  };
}

/**
 * Does the work of one call, and waits until all its messages have arrived.
 * @template Result
 * @param {string} urn
 * @param {boolean} preview
 * @param {number} timeout Seconds, from the resource's customTimeouts; 0 means no limit.
 * @param {(circumstances: import("./resources.mjs").Circumstances) => Promise<Result>} work
 */
async function within(urn, preview, timeout, work) {
  const log = logFor(urn);
  try {
    return await work({ name: parse(urn).name, preview, signal: deadline(timeout), log });
  } finally {
    await log.sent();
  }
}

/**
 * @param {number} timeout Seconds; 0 means no limit.
 * @returns {AbortSignal} aborted when the time is over or the deployment is cancelled.
 */
function deadline(timeout) {
  if (timeout <= 0) return cancelled.signal;
  const late = new AbortController();
  const message = `the command did not end within ${timeout} s (customTimeouts); its session was closed`;
  setTimeout(() => late.abort(new Error(message)), timeout * 1000).unref();
  return AbortSignal.any([cancelled.signal, late.signal]);
}

const kinds = provider.PropertyDiff.Kind;

/**
 * Reports all changes as updates. If `triggers` change, the program's SDK asks for a replacement (replaceOnChanges).
 * @param {provider.DiffRequest} request
 */
function diff(request) {
  find(request.getUrn());
  const olds = request.getOldInputs() ?? request.getOlds();
  const news = toProperties(request.getNews());
  delete news.version;
  const changes = difference(toProperties(olds), news);
  const response = new provider.DiffResponse();
  response.setChanges(
    changes.size > 0 ? provider.DiffResponse.DiffChanges.DIFF_SOME : provider.DiffResponse.DiffChanges.DIFF_NONE,
  );
  response.setHasdetaileddiff(true);
  for (const [path, kind] of changes) {
    const entry = new provider.PropertyDiff();
    // If `triggers` is added or removed as a whole, no element changes, and the SDK's rule does not apply.
    const replace = path === "triggers";
    const names = { add: kinds.ADD, delete: kinds.DELETE, update: kinds.UPDATE };
    const replacing = { add: kinds.ADD_REPLACE, delete: kinds.DELETE_REPLACE, update: kinds.UPDATE_REPLACE };
    entry.setKind((replace ? replacing : names)[kind]);
    entry.setInputdiff(true);
    response.getDetaileddiffMap().set(path, entry);
    response.addDiffs(path.split(/[.[]/)[0]);
    if (replace) response.addReplaces(path);
  }
  return response;
}

/** @param {provider.CheckRequest} request */
function checkInputs(request) {
  const { inputs, failures } = check(toProperties(request.getNews()), find(request.getUrn()).fields);
  const response = new provider.CheckResponse();
  response.setInputs(toStruct(inputs));
  for (const { property, reason } of failures) {
    const failure = new provider.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return response;
}

/** @param {provider.CreateRequest} request */
async function create(request) {
  const urn = request.getUrn();
  const inputs = toProperties(request.getProperties());
  const { resource } = find(urn);
  const { id, outputs } = await within(urn, request.getPreview(), request.getTimeout(), (circumstances) =>
    resource.create(inputs, circumstances),
  );
  const response = new provider.CreateResponse();
  response.setId(id);
  response.setProperties(toStruct(outputs));
  return response;
}

/** @param {provider.UpdateRequest} request */
async function update(request) {
  const urn = request.getUrn();
  const [olds, news] = [toProperties(request.getOlds()), toProperties(request.getNews())];
  const { resource } = find(urn);
  const outputs = await within(urn, request.getPreview(), request.getTimeout(), (circumstances) =>
    resource.update(olds, news, circumstances),
  );
  const response = new provider.UpdateResponse();
  response.setProperties(toStruct(outputs));
  return response;
}

/** @param {provider.DeleteRequest} request */
async function remove(request) {
  // A failed bake of an earlier version of ci-images may have copies in its state. The copied files stay.
  if (parse(request.getUrn()).type === "command:remote:CopyToRemote") return new empty.Empty();
  const state = toProperties(request.getProperties());
  const { resource } = find(request.getUrn());
  await within(request.getUrn(), false, request.getTimeout(), (circumstances) => resource.delete(state, circumstances));
  return new empty.Empty();
}

/**
 * Returns the state unchanged: a command has nothing to refresh.
 * @param {provider.ReadRequest} request
 */
function read(request) {
  const response = new provider.ReadResponse();
  response.setId(request.getId());
  response.setProperties(request.getProperties());
  response.setInputs(request.getInputs());
  return response;
}

await serve(
  providerService.ResourceProviderService,
  {
    getPluginInfo: unary(() => {
      const info = new plugin.PluginInfo();
      info.setVersion("1.2.1+ci-images.stand-in");
      return info;
    }),
    checkConfig: unary((/** @type {provider.CheckRequest} */ request) => {
      const response = new provider.CheckResponse();
      response.setInputs(request.getNews());
      return response;
    }),
    diffConfig: unary(() => new provider.DiffResponse()),
    configure: unary(() => {
      const response = new provider.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    }),
    check: unary(checkInputs),
    diff: unary(diff),
    create: unary(create),
    read: unary(read),
    update: unary(update),
    delete: unary(remove),
    cancel: unary(() => {
      cancelled.abort(new Error("the deployment was cancelled; the command's session was closed"));
      return new empty.Empty();
    }),
  },
  () => cancelled.abort(new Error("the engine has ended")),
);
