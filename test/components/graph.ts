// Runs a program with Pulumi's own mocks and records its function calls and its resources, in order, with inputs and
// options.
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Cloud, Distributed } from "../../components/cloud.ts";
import type { Settings } from "../../components/stack-settings.ts";
import { StackState } from "../../components/life-cycle/stack-state.ts";
import { findPublished } from "../../components/life-cycle/kept-images.ts";
import { WorkerImage } from "../../components/life-cycle/worker-image.ts";
import type { Plan } from "../../provision/plan/plan.ts";

/** A declared resource. */
export interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  options: pulumi.CustomResourceOptions;
}

/** Outputs of a resource that don't follow from its inputs. */
export type Outputs = (type: string, name: string) => object;

/** One run of a program. */
export class Graph {
  readonly declared: Declared[] = [];
  /** The last arguments of each function call. */
  readonly asked: Record<string, Record<string, unknown>> = {};

  /** Inputs of providers, by their names. */
  readonly providers: Record<string, Record<string, unknown>> = {};

  /**
   * @param stack The stack's name.
   * @param answers The functions' results, by token.
   * @param outputs `id` among them is the resource's id; by default the name and `-id`.
   */
  constructor(
    stack: string,
    readonly answers: Record<string, object>,
    outputs: Outputs,
  ) {
    void pulumi.runtime.setMocks(
      {
        call: ({ token, inputs }) => {
          this.asked[token] = inputs as Record<string, unknown>;
          return this.answers[token] ?? assert.fail(`the test has no answer for ${token}`);
        },
        newResource: ({ type, name, inputs }) => {
          const found = this.declared.find((each) => each.type === type && each.name === name);
          if (found) found.inputs = inputs as Record<string, unknown>;
          if (type.startsWith("pulumi:providers:")) this.providers[name] = inputs as Record<string, unknown>;
          const { id = `${name}-id`, ...others } = outputs(type, name) as { id?: string };
          return { id, state: { ...(inputs as object), ...others } };
        },
      },
      "ci-images",
      stack,
      false,
    );
  }

  /**
   * Declares a plan's worker image and waits until everything is declared. @returns the output of the cloud's own
   * place, if any.
   */
  async declare(open: () => Promise<Cloud>, settings: Settings, plan: Plan, keep = 1): Promise<unknown> {
    const note: pulumi.ResourceTransformation = ({ type, name, opts }) => {
      this.declared.push({ type, name, inputs: {}, options: opts });
      return undefined;
    };
    const cloud = await open();
    const survey = await cloud.survey(plan.distribution);
    const newest = survey.generations.find(({ proven }) => proven);
    const pinned = settings.base === "pinned" ? newest?.base : undefined;
    assert.ok(plan.base.kind !== "recipe", "fleet.test.ts tests recipes as bases");
    const base = await cloud.resolveBase(plan.base, plan.distribution, pinned);
    const { verify, stage, power } = settings;
    assert.ok(stage !== "none", "kept-images.test.ts tests stage none");
    const hash = plan.recipeHash(base.id);
    if (!survey.generations.some(({ recipe, proven }) => proven && recipe === hash)) {
      await cloud.preflight(plan, hash, stage);
    }
    const state = new StackState();
    const published = findPublished(plan.distribution.id, cloud, survey, state);
    const args = {
      bakery: cloud,
      place: cloud,
      plan,
      base,
      survey,
      published,
      keep,
      verify: verify.enabled,
      stage,
      power,
      state,
      secrets: {},
    };
    const worker = new WorkerImage(plan.distribution.id, args, { transformations: [note] });
    const image = worker.images[cloud.place!] as Distributed[string] | undefined;
    const output = image && (await new Promise((resolve) => image.apply(resolve)));
    // Resources that nothing waits for are declared slightly later; the SDK's types lack this function.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    return output;
  }

  /** Names of the declared resources, in order. */
  names(...types: string[]): string[] {
    return this.declared.filter(({ type }) => types.length === 0 || types.includes(type)).map(({ name }) => name);
  }

  /** The declared resources, with the inputs whose changes they ignore. */
  withIgnored(): { type: string; name: string; ignoreChanges: readonly string[] }[] {
    return this.declared.map(({ type, name, options: { ignoreChanges = [] } }) => ({ type, name, ignoreChanges }));
  }

  get(name: string): Declared {
    return (
      this.declared.find((each) => each.name === name) ?? assert.fail(`${name} is not declared: ${this.names().join()}`)
    );
  }

  /** Names of the resources in a resource's dependsOn. */
  after(name: string): string[] {
    const { dependsOn } = this.get(name).options;
    return [dependsOn ?? []].flat().map((each) => nameOf(each as pulumi.Resource));
  }

  /** The name of the resource in its deletedWith. */
  goesWith(name: string): string | undefined {
    const { deletedWith } = this.get(name).options;
    return deletedWith && nameOf(deletedWith);
  }
}

function nameOf(resource: pulumi.Resource): string {
  return (resource as unknown as { __name: string }).__name;
}
