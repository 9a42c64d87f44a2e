// Runs the whole program without an engine and records every resource, with inputs, parents and dependencies.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { dump } from "js-yaml";
import { checkSettings } from "../../components/stack-settings.ts";
import { bakeAll } from "../../components/life-cycle/worker-images.ts";
import { unwrapSecrets } from "../../provider/values.ts";

/** A registered resource. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Names of the resources that it depends on. */
  dependencies: string[];
  parent: string;
  deletedWith: string;
  ignoreChanges: string[];
}

/** One run of the program. */
export interface Graph {
  resources: Registered[];
  /** Its function calls, with their arguments. */
  calls: { token: string; inputs: Record<string, unknown> }[];
  /** The stack's outputs. */
  outputs: Record<string, unknown>;
  /** Its messages for the user. */
  messages: string[];
  /**
   * The only resource of a type with that name; fails if there are none or several. `type` is the token's last part.
   */
  one(type: string, name?: string | RegExp): Registered;
  /** Names of the resources of a type. */
  names(type: string): string[];
  /** Whether a resource depends on another, directly or indirectly. */
  waits(resource: Registered, other: Registered): boolean;
}

/** The outside world that the program sees. */
export interface World {
  /** Results of functions, by token. */
  calls: Record<string, object | ((inputs: Record<string, unknown>) => object)>;
  /** Outputs of resources beside their inputs, by type. */
  outputs?: Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>;
  /** Returns a resource's id and outputs, for tests that know them; overrides `outputs`. */
  made?: (type: string, name: string) => { id: string; outputs: Record<string, unknown> } | undefined;
  /** The stack's name. */
  stack?: string;
}

interface Monitor {
  registerResource(request: Request, callback: unknown): Promise<void>;
}

interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDeletedwith(): string;
  getDependenciesList(): string[];
  getIgnorechangesList(): string[];
}

/** A recipe with one module and one test. */
export const smallRecipe = {
  name: "worker",
  distribution: "debian12",
  modules: ["run"],
  run: ["true"],
  tests: [{ name: "it is there", run: "true" }],
};

/**
 * Runs the program on one recipe.
 * @param settings Stack settings without the prefix `ci-images:`.
 */
export async function runProgram(settings: object, world: World, recipe: object = smallRecipe): Promise<Graph> {
  return runFleet({ recipe: "recipe.yaml", ...settings }, world, { "recipe.yaml": recipe });
}

/**
 * Runs the program on several recipes.
 * @param settings Stack settings without the prefix `ci-images:`.
 * @param recipes Recipes by file name.
 */
export async function runFleet(settings: object, world: World, recipes: Record<string, object>): Promise<Graph> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-graph-"));
  const resources: Registered[] = [];
  const requests = new Map<string, Registered>();
  const calls: Graph["calls"] = [];
  const messages: string[] = [];
  const nameOf = (urn: string) => urn.split("::").at(-1)!;
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        const given = unwrapSecrets(inputs as Record<string, unknown>);
        requests.get(`${type} ${name}`)!.inputs = given;
        const { id, outputs } = world.made?.(type, name) ?? { id: `${name}-id`, outputs: {} };
        return { id, state: { ...given, ...world.outputs?.[type]?.(given), ...outputs } };
      },
      call({ token, inputs }) {
        const given = inputs as Record<string, unknown>;
        calls.push({ token, inputs: given });
        const answer = world.calls[token];
        // By default the stack is new and has no state.
        if (answer === undefined && token === "pulumi:pulumi:readStackResourceOutputs") return { outputs: {} };
        if (answer === undefined) throw new Error(`the test has no answer for ${token}`);
        return typeof answer === "function" ? (answer as (inputs: object) => object)(given) : answer;
      },
    },
    "ci-images",
    world.stack ?? "test",
    false,
    "organization",
  );
  // Mocks don't receive dependencies and options, so read them from the requests.
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    const [type, name] = [request.getType(), request.getName()];
    const registered = {
      type,
      name,
      inputs: {},
      dependencies: request.getDependenciesList().map(nameOf),
      parent: nameOf(request.getParent()),
      deletedWith: nameOf(request.getDeletedwith()),
      ignoreChanges: request.getIgnorechangesList(),
    };
    requests.set(`${type} ${name}`, registered);
    resources.push(registered);
    return register(request, callback);
  };
  // Without an engine the SDK prints messages.
  const print = console.log;
  const beginning = "info: [runtime] ";
  console.log = (...words: unknown[]) => {
    const [text] = words;
    if (typeof text === "string" && text.startsWith(beginning)) messages.push(text.slice(beginning.length));
    else print(...words);
  };
  try {
    for (const [name, recipe] of Object.entries(recipes)) await writeFile(join(folder, name), dump(recipe));
    const all = checkSettings("Pulumi.test.yaml", "ci-images:", { ...settings });
    const declared = await bakeAll(all, folder);
    const outputs = await new Promise<unknown>((resolve) => pulumi.output(declared).apply((known) => resolve(known)));
    // Resources that nothing waits for are declared slightly later; the SDK's types lack this function.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    return { ...graph(resources), calls, outputs: outputs as Graph["outputs"], messages };
  } finally {
    console.log = print;
    await rm(folder, { recursive: true });
  }
}

function graph(resources: Registered[]): Omit<Graph, "calls" | "outputs" | "messages"> {
  const ofType = (type: string) => resources.filter((each) => each.type.split(":").at(-1) === type);
  const waits = (resource: Registered, other: Registered): boolean =>
    resource.dependencies.some((name) => {
      if (name === other.name) return true;
      // Resources of different types can share a name.
      return resources.some((each) => each.name === name && each !== resource && waits(each, other));
    });
  return {
    resources,
    waits,
    names: (type) => ofType(type).map(({ name }) => name),
    one(type, name = /./) {
      const fitting = ofType(type).filter((each) =>
        typeof name === "string" ? each.name === name : name.test(each.name),
      );
      if (fitting.length !== 1) {
        const all = resources.map((each) => `${each.type} ${each.name}`).join("\n");
        throw new Error(`${fitting.length} resources of type ${type} with name ${name}, of\n${all}`);
      }
      return fitting[0];
    },
  };
}
