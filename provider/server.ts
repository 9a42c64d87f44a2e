// The provider's interface to Pulumi's engine: dispatches to the resource types, and does the part that all have in
// common.
import { isDeepStrictEqual } from "node:util";
import type * as provider from "@pulumi/pulumi/provider/index.js";
import { misfits, type Properties } from "../common/contract.ts";
import { UserError } from "../common/user-error.ts";
import type { EngineLog } from "./engine-log.ts";
import { findFunction, findResource, type Parts } from "./registry.ts";
import type { Context, ResourceType } from "./resource.ts";
import { containsSecret, containsUnknown, unwrapSecrets, wrapSecret } from "./values.ts";

type AnyResourceType = ResourceType<object, object>;
type Values = Record<string, unknown>;

/** Answers the engine. A resource type's own part is in resource.ts. */
export class ImagesProvider implements provider.Provider {
  private readonly stopping = new AbortController();

  /**
   * @param version The plugin's version, from package.json.
   * @param log Receives the progress.
   */
  constructor(
    readonly version: string,
    private readonly log: EngineLog,
    private readonly parts: Parts,
  ) {}

  async check(urn: string, _olds: unknown, news: Values): Promise<provider.CheckResult> {
    const { inputs, secrets } = (await this.typeOf(urn)).contract;
    const isKnown = ([name]: [string, unknown]) => !containsUnknown(news[name]);
    const isSecret = (name: string) => secrets.includes(name) || containsSecret(news[name]);
    const expected = Object.fromEntries<Properties[string]>(Object.entries(inputs).filter(isKnown));
    const given = Object.fromEntries(Object.entries(unwrapSecrets(news)).filter(isKnown));
    return { inputs: news, failures: misfits(expected, given, isSecret) };
  }

  async diff(id: string, urn: string, olds: Values, news: Values): Promise<provider.DiffResult> {
    const type = await this.typeOf(urn);
    const [state, wanted] = [unwrapSecrets(olds), unwrapSecrets(news)];
    const changed = Object.keys(type.contract.inputs).filter(
      (key) => !isDeepStrictEqual(state[key] ?? null, wanted[key] ?? null),
    );
    const replaces = changed.filter((key) => type.contract.replaceOn.includes(key));
    const deleteBeforeReplace = type.deleteBeforeReplace?.(replaces) ?? false;
    if (replaces.length > 0) return { changes: true, replaces, deleteBeforeReplace };
    const drift = type.drift ? await type.drift(id, state, wanted) : "none";
    if (drift === "replace") return { changes: true, replaces: ["id"], deleteBeforeReplace };
    return { changes: drift === "update" || (type.update !== undefined && changed.length > 0) };
  }

  async create(urn: string, inputs: Values): Promise<provider.CreateResult> {
    const type = await this.typeOf(urn);
    return this.working(urn, async (context) => {
      const { id, outputs, meanwhile } = await type.create(unwrapSecrets(inputs), context);
      if (meanwhile) void this.beside(urn, meanwhile);
      return { id, outs: withSecrets(type, outputs) };
    });
  }

  async read(id: string, urn: string, props: Values): Promise<provider.ReadResult> {
    const type = await this.typeOf(urn);
    if (!type.read) return { id, props };
    return this.working(urn, async (context) => {
      const state = await type.read!(id, unwrapSecrets(props), context);
      return state === undefined ? { id: "", props: {} } : { id, props: withSecrets(type, state) };
    });
  }

  async update(id: string, urn: string, olds: Values, news: Values): Promise<provider.UpdateResult> {
    const type = await this.typeOf(urn);
    if (!type.update) return { outs: { ...olds, ...news } };
    return this.working(urn, async (context) => ({
      outs: withSecrets(type, await type.update!(id, unwrapSecrets(olds), unwrapSecrets(news), context)),
    }));
  }

  async delete(id: string, urn: string, props: Values): Promise<void> {
    const type = await this.typeOf(urn);
    await this.working(urn, async (context) => type.delete?.(id, unwrapSecrets(props), context));
  }

  async invoke(token: string, inputs: Values): Promise<provider.InvokeResult> {
    const called = await findFunction(this.parts, token);
    const given = unwrapSecrets(inputs);
    const [misfit] = misfits(called.contract.inputs, given, (name) => containsSecret(inputs[name]));
    if (misfit) throw new Error(`${token}: ${misfit.property} ${misfit.reason}`);
    try {
      return { outputs: plain(await this.working("", (context) => called.call(given, context))) };
    } catch (error) {
      // The program can show a failure as an error. A thrown error would be printed by the engine as well.
      if (error instanceof UserError) return { failures: [{ property: "", reason: error.message }] };
      throw error;
    }
  }

  /** On Ctrl-C: makes all running operations end their child processes and fail. */
  async cancel(): Promise<void> {
    this.stopping.abort(new UserError({ where: "ci-images", found: "cancelled" }));
  }

  private async beside(urn: string, watch: (context: Context) => Promise<void>): Promise<void> {
    const context = this.contextOf(urn);
    try {
      await watch(context);
    } catch (error) {
      if (!context.signal.aborted) context.progress((error as Error).message);
    }
  }

  private contextOf(urn: string): Context {
    const [, stack, project] = /^urn:pulumi:(.*?)::(.*?)::/.exec(urn) ?? [];
    return {
      progress: (line, transient) => this.log.info(urn, line, transient),
      signal: this.stopping.signal,
      ...(project !== undefined && { owner: { project, stack } }),
    };
  }

  private async working<T>(urn: string, work: (context: Context) => Promise<T>): Promise<T> {
    // An operation that was cancelled before it began would wait for the cancellation for ever.
    this.stopping.signal.throwIfAborted();
    try {
      return await work(this.contextOf(urn));
    } finally {
      await this.log.flush();
    }
  }

  private typeOf(urn: string): Promise<AnyResourceType> {
    // urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME
    return findResource(this.parts, urn.split("::")[2].split("$").at(-1)!);
  }
}

/** Removes undefined properties, which the protocol does not have. */
function plain(outputs: object): Values {
  return JSON.parse(JSON.stringify(outputs)) as Values;
}

function withSecrets(type: AnyResourceType, outputs: object): Values {
  const { secrets } = type.contract;
  return Object.fromEntries(
    Object.entries(plain(outputs)).map(([key, value]) => [key, secrets.includes(key) ? wrapSecret(value) : value]),
  );
}
